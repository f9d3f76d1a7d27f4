"""Graph convolutional network (T. N. Kipf and M. Welling, 2017, arXiv:1609.02907) with a sparse adjacency matrix."""

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.modules.module import Module
from torch.nn.parameter import Parameter


class GraphConvolution(Module):
    def __init__(self, in_features, out_features, bias=True):
        super(GraphConvolution, self).__init__()
        self.weight = Parameter(torch.FloatTensor(in_features, out_features))
        if bias:
            self.bias = Parameter(torch.FloatTensor(out_features))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        stdv = 1.0 / math.sqrt(self.weight.size(1))
        self.weight.data.uniform_(-stdv, stdv)
        if self.bias is not None:
            self.bias.data.uniform_(-stdv, stdv)

    def forward(self, input, adj):
        support = input @ self.weight
        output = torch.spmm(adj, support)
        return output + self.bias if self.bias is not None else output


class GCN(nn.Module):
    def __init__(self, nfeat, nhid, nclass):
        super(GCN, self).__init__()
        self.gc1 = GraphConvolution(nfeat, nhid)
        self.gc2 = GraphConvolution(nhid, nclass, bias=False)

    def forward(self, x, adj):
        x = F.relu(self.gc1(x, adj))
        return F.log_softmax(self.gc2(x, adj), dim=1)


def graph():
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 3
    edges = np.array([(i, j) for i in range(30) for j in range(30)
                      if i == j or rng.random() < (0.4 if labels[i] == labels[j] else 0.05)])
    degree = np.bincount(edges[:, 0], minlength=30)
    features = np.eye(3)[labels] + rng.standard_normal((30, 3))
    indices = torch.from_numpy(np.vstack((edges[:, 0], edges[:, 1])).astype(np.int64))
    values = torch.from_numpy((1.0 / degree[edges[:, 0]]).astype(np.float32))
    adj = torch.sparse_coo_tensor(indices, values, torch.Size((30, 30)))
    return torch.FloatTensor(features), torch.LongTensor(labels), adj


def build():
    torch.manual_seed(0)
    return GCN(3, 8, 3)


def train(model, steps):
    """Return the loss of each step on some of the nodes."""
    features, labels, adj = graph()
    idx_train = torch.LongTensor(range(12))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=5e-4)
    losses = []
    for _ in range(steps):
        model.train()
        optimizer.zero_grad()
        output = model(features, adj)
        loss_train = F.nll_loss(output[idx_train], labels[idx_train])
        loss_train.backward()
        optimizer.step()
        losses.append(loss_train.item())
    right = model(features, adj).max(1)[1].type_as(labels).eq(labels).double().sum()
    assert right / len(labels) > 0.5
    return losses
