"""The summary of a model: its counts by hand, and the model left alone."""

import doctest
import re

import numpy as np
import pytest

import autograd_nn as ag
import autograd_nn.summary as module
from autograd_nn import nn
from autograd_nn.engine import Primitive
from autograd_nn.look.summary import summary
from autograd_nn.ops import conv, linalg, recurrent
from autograd_nn.ops.random import default_generator
from autograd_nn.training import models


def test_the_example_of_the_documentation():
    assert doctest.testmod(module).failed == 0


def test_lenet_by_hand():
    table = summary(models.lenet(), (8, 1, 28, 28))
    by_name = {layer.name: layer for layer in table.layers}
    assert by_name["0"].outputs == [(8, 6, 28, 28)] and by_name["0"].parameters == 6 * 25 + 6
    assert by_name["0"].multiply_adds == 8 * 6 * 28 * 28 * 25
    assert by_name["3"].multiply_adds == 8 * 16 * 10 * 10 * 6 * 25
    assert by_name["7"].multiply_adds == 8 * 400 * 120 and by_name["7"].outputs == [(8, 120)]
    assert table.parameters == table.trainable == 61706 and table.nbytes == 4 * 61706
    assert table.multiply_adds == 8 * (117600 + 240000 + 48000 + 10080 + 840)
    assert by_name["1"].parameters == by_name["1"].multiply_adds == 0 and by_name[""].outputs == [(8, 10)]


def test_groups_transposed_convolutions_and_recurrent_layers_by_hand():
    model = nn.Sequential(nn.Conv2d(4, 8, 3, groups=4, bias=False), nn.ConvTranspose2d(8, 3, 2, 2))
    layers = summary(model, (1, 4, 8, 8)).layers
    assert layers[1].multiply_adds == 8 * 36 * 9 and layers[2].multiply_adds == 8 * 36 * 3 * 4
    assert summary(nn.LSTM(5, 7, 2), (3, 2, 5)).multiply_adds == 6 * 28 * (5 + 7 + 7 + 7)
    assert summary(nn.GRU(5, 7), (3, 2, 5)).multiply_adds == 6 * 21 * (5 + 7)
    assert summary(nn.RNN(5, 7), (3, 2, 5)).multiply_adds == 6 * 7 * (5 + 7)
    assert summary(nn.Conv1d(2, 3, 5), (1, 2, 9)).multiply_adds == 5 * 3 * 2 * 5
    assert summary(nn.MultiheadAttention(8, 2, batch_first=True), [(1, 5, 8)] * 3).multiply_adds == \
        4 * 5 * 8 * 8 + 2 * 5 * 5 * 8


def test_the_names_of_counted_primitives_exist():
    names = {p.name for space in (conv, linalg, recurrent) for p in vars(space).values()
             if isinstance(p, Primitive)}
    assert set(module._MULTIPLY_ADDS) <= names


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 4)
        self.head = nn.Linear(4, 11, bias=False)
        self.head.weight = self.embedding.weight
        self.idle = nn.Linear(2, 2)
        self.idle.weight.requires_grad = False
        self.blocks = nn.ModuleList([nn.Tanh()])

    def forward(self, index):
        h = self.blocks[0](self.blocks[0](self.embedding(index)))
        return {"logits": self.head(h), "hidden": (h, h @ h.mT)}


def test_shared_unused_frozen_and_repeated_modules():
    table = summary(Tied(), (2, 3), dtype=np.int64)
    by_name = {layer.name: layer for layer in table.layers}
    assert table.parameters == 44 + 6 and table.trainable == 44 + 2
    assert by_name["head"].shared and by_name["head"].parameters == 0 and by_name["head"].multiply_adds == 6 * 44
    assert by_name[""].outputs == [(2, 3, 11), (2, 3, 4), (2, 3, 3)] and by_name[""].multiply_adds == 2 * 9 * 4
    assert not by_name["idle"].used and by_name["blocks"].used and by_name["blocks.0"].calls == 2
    text = str(table)
    assert re.search(r"idle: Linear +not called", text) and re.search(r"head: Linear +\(2, 3, 11\) +shared", text)
    assert re.search(r"0: Tanh +\(2, 3, 4\) \(2 calls\)", text) and "4 parameters are not trained" in text


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5))
    model[2].eval()
    before = {name: value.array.copy() for name, value in model.state_dict().items()}
    state = default_generator.get_state()
    summary(model, (4, 1, 8, 8))
    summary(model, ag.rand(1, 1, 8, 8).data)
    with pytest.raises(RuntimeError, match="conv2d"):
        summary(model, (4, 3, 8, 8))
    assert [m.training for m in model.modules()] == [True, True, True, False]
    assert not any(m._hooks for m in model.modules())
    assert all(np.array_equal(value.array, before[name]) for name, value in model.state_dict().items())
    ag.rand(1)
    assert default_generator.get_state() != state
    assert all(p.grad is None for p in model.parameters())


def test_inputs_may_be_tensors_arrays_or_shapes():
    model = nn.Bilinear(2, 3, 4)
    for inputs in ([(5, 2), (5, 3)], (ag.rand(5, 2), np.zeros((5, 3), np.float32))):
        assert summary(model, inputs).layers[0].outputs == [(5, 4)]
    for inputs in (None, "x", [], [3, (2, 2)]):
        with pytest.raises(TypeError, match=r"summary\(\): inputs must be a shape"):
            summary(model, inputs)


def test_memory_of_buffers_and_activations():
    table = summary(nn.Sequential(nn.BatchNorm1d(4), nn.ReLU(), nn.Flatten()), (3, 4))
    assert table.buffer_nbytes == 2 * 4 * 4 + 8
    assert table.activation_nbytes == 2 * 3 * 4 * 4, "normalised and rectified; flattening makes a view"


def test_the_table_in_html_has_the_same_cells():
    table = summary(models.convnet(), (1, 1, 28, 28))
    html = table._repr_html_()
    assert html.count("<tr>") == len(table.layers) + 2
    assert re.findall(r"<th [^>]*>(.*?)</th>", html) == ["layer", "output", "parameters", "size", "multiply-adds"]
    assert f">{table.multiply_adds:,}</td>" in html and "activations" in html
    assert repr(table) == str(table)


class Keyed(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, ids, mask):
        return {"logits": self.head(self.embedding(ids) * mask.unsqueeze(-1))}


def test_embeddings_need_no_dtype_and_dicts_are_keywords():
    table = summary(nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2)), (2, 5))
    assert [layer.outputs for layer in table.layers] == [[(2, 5, 2)], [(2, 5, 4)], [(2, 5, 2)]]
    keyed = summary(Keyed(), {"ids": (2, 3), "mask": np.ones((2, 3), np.float32)})
    assert keyed.inputs == [(2, 3), (2, 3)] and keyed.layers[0].outputs == [(2, 3, 2)]
    with pytest.raises(TypeError, match=r"each value of a dict .*'ids'"):
        summary(Keyed(), {"ids": [(2, 3), (2, 3)], "mask": (2, 3)})
    with pytest.raises(RuntimeError, match="features"):
        summary(nn.Linear(3, 2), (4, 5))
