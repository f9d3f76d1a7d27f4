"""The table of layers: name, arguments and settings as in `nn`, and inputs to call it with."""

import numpy as np

source = np.random.default_rng


def normal(*shape):
    return source(sum(shape) + len(shape)).standard_normal(shape)


def integers(high, *shape):
    return source(high).integers(0, high, shape)


def probabilities(*shape):
    e = np.exp(normal(*shape))
    return e / e.sum(1, keepdims=True)


signs = np.where(integers(2, 6) > 0, 1.0, -1.0)

image, sequence, table = normal(3, 4, 7, 6), normal(3, 4, 9), normal(6, 5)

LAYERS = [
    ("Identity", (), {}, [table]),
    ("Linear", (5, 3), {}, [table]),
    ("Linear", (5, 3), {"bias": False}, [normal(2, 3, 5)]),
    ("Bilinear", (5, 4, 3), {}, [normal(2, 6, 5), normal(2, 6, 4)]),
    ("Flatten", (), {}, [image]),
    ("Flatten", (0, 1), {}, [image]),
    ("Unflatten", (1, (2, 2)), {}, [image]),
    *[
        (name, (), {}, [np.concatenate([table.ravel(), [0.0, 3.0, -3.0, 6.0, 1.0, -1.0, 0.5, -0.5, 30.0, -30.0]])])
        for name in (
            "ReLU", "ReLU6", "Tanh", "Sigmoid", "LogSigmoid", "Softsign", "Tanhshrink", "SELU", "SiLU", "Mish",
            "Hardswish", "Hardsigmoid", "LeakyReLU", "ELU", "CELU", "GELU", "Softplus", "Hardtanh", "Hardshrink",
            "Softshrink", "PReLU",
        )
    ],
    ("LeakyReLU", (0.2, True), {}, [table]),
    ("ELU", (), {"alpha": 0.5}, [table]),
    ("GELU", (), {"approximate": "tanh"}, [table]),
    ("Softplus", (2, 3), {}, [table]),
    ("Hardtanh", (-0.5, 2.0), {}, [table]),
    ("Threshold", (0.1, 20.0), {}, [table]),
    ("PReLU", (4,), {}, [image]),
    ("GLU", (1,), {}, [image]),
    ("Softmax", (1,), {}, [image]),
    ("Softmin", (-1,), {}, [image]),
    ("LogSoftmax", (), {"dim": 0}, [image]),
    ("Softmax2d", (), {}, [image]),
    ("Conv1d", (4, 6, 3), {}, [sequence]),
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2, "bias": False}, [sequence]),
    ("Conv1d", (4, 6, 4), {"padding": "same"}, [sequence]),
    ("Conv1d", (4, 6, 3), {"padding": 2, "padding_mode": "circular"}, [sequence]),
    ("Conv2d", (4, 6, 3), {}, [image]),
    ("Conv2d", (4, 6, (3, 2)), {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}, [image]),
    ("Conv2d", (4, 4, 3), {"padding": "same", "groups": 4, "bias": False}, [image]),
    ("Conv2d", (4, 6, (4, 3)), {"padding": "same", "padding_mode": "reflect"}, [image]),
    ("Conv2d", (4, 6, 3), {"padding": (1, 2), "padding_mode": "replicate"}, [image]),
    ("Conv2d", (4, 6, 3), {}, [image[0]]),
    ("ConvTranspose1d", (4, 6, 3), {}, [sequence]),
    ("ConvTranspose1d", (4, 6, 4), {"stride": 3, "padding": 1, "output_padding": 2, "groups": 2}, [sequence]),
    ("ConvTranspose2d", (4, 6, 3), {}, [image]),
    ("ConvTranspose2d", (4, 6, 4, 2, 1), {"bias": False}, [image]),
    ("ConvTranspose2d", (4, 6, (3, 2)), {"stride": (2, 3), "output_padding": (1, 2), "dilation": 2}, [image]),
    ("MaxPool1d", (2,), {}, [sequence]),
    ("MaxPool1d", (3, 2), {"padding": 1, "dilation": 2, "ceil_mode": True}, [sequence]),
    ("MaxPool2d", (2,), {}, [image]),
    ("MaxPool2d", ((3, 2), 2), {"padding": 1, "ceil_mode": True}, [image]),
    ("AvgPool1d", (3, 2), {"padding": 1, "count_include_pad": False}, [sequence]),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, [image]),
    ("AvgPool2d", (2,), {"divisor_override": 3}, [image]),
    ("AdaptiveAvgPool1d", (4,), {}, [sequence]),
    ("AdaptiveAvgPool2d", ((3, None),), {}, [image]),
    ("AdaptiveAvgPool2d", (1,), {}, [image]),
    ("AdaptiveMaxPool1d", (4,), {}, [sequence]),
    ("AdaptiveMaxPool2d", ((3, 4),), {}, [image]),
    ("AdaptiveMaxPool2d", (3,), {"return_indices": True}, [image]),
    ("MaxPool2d", (3, 2), {"return_indices": True, "padding": 1}, [image]),
    ("LPPool2d", (2, 3), {}, [image]),
    ("Unfold", ((2, 3),), {"padding": 1, "stride": 2}, [image]),
    ("Fold", ((4, 5), (2, 2)), {}, [normal(2, 12, 12)]),
    ("BatchNorm1d", (5,), {}, [table]),
    ("BatchNorm1d", (4,), {"momentum": None}, [sequence]),
    ("BatchNorm2d", (4,), {"affine": False, "momentum": 0.3}, [image]),
    ("BatchNorm2d", (4,), {"track_running_stats": False, "bias": False}, [image]),
    ("LayerNorm", (6,), {}, [image]),
    ("LayerNorm", ((7, 6),), {"bias": False, "eps": 0.1}, [image]),
    ("LayerNorm", (6,), {"elementwise_affine": False}, [image]),
    ("RMSNorm", (6,), {}, [image]),
    ("GroupNorm", (2, 4), {}, [image]),
    ("InstanceNorm1d", (4,), {"affine": True}, [sequence]),
    ("InstanceNorm2d", (4,), {"track_running_stats": True}, [image]),
    ("InstanceNorm2d", (4,), {}, [image[0]]),
    ("LocalResponseNorm", (3,), {}, [image]),
    ("Dropout", (0.0,), {}, [table]),
    ("Embedding", (7, 3), {}, [integers(7, 4, 5)]),
    ("Embedding", (7, 3), {"padding_idx": 2}, [integers(7, 4, 5)]),
    ("RNN", (4, 5), {"num_layers": 2, "nonlinearity": "relu"}, [normal(6, 3, 4)]),
    ("LSTM", (4, 5), {"bidirectional": True, "num_layers": 2}, [normal(6, 3, 4)]),
    ("LSTM", (4, 5), {"batch_first": True, "bias": False}, [normal(3, 6, 4)]),
    ("GRU", (4, 5), {"bidirectional": True, "batch_first": True}, [normal(3, 6, 4), normal(2, 3, 5)]),
    ("GRU", (4, 5), {}, [normal(6, 4)]),
    ("RNNCell", (4, 5), {}, [normal(3, 4)]),
    ("LSTMCell", (4, 5), {}, [normal(3, 4)]),
    ("GRUCell", (4, 5), {"bias": False}, [normal(3, 4), normal(3, 5)]),
    ("MultiheadAttention", (8, 2), {}, [normal(5, 3, 8), normal(6, 3, 8), normal(6, 3, 8)]),
    ("MultiheadAttention", (8, 2), {"batch_first": True, "kdim": 5, "vdim": 7, "bias": False},
     [normal(3, 5, 8), normal(3, 6, 5), normal(3, 6, 7)]),
    ("TransformerEncoderLayer", (8, 2, 16), {"dropout": 0.0}, [normal(5, 3, 8)]),
    ("TransformerEncoderLayer", (8, 2, 16),
     {"dropout": 0.0, "norm_first": True, "activation": "gelu", "batch_first": True}, [normal(3, 5, 8)]),
    ("TransformerDecoderLayer", (8, 2, 16), {"dropout": 0.0}, [normal(5, 3, 8), normal(6, 3, 8)]),
    ("TransformerDecoderLayer", (8, 2, 16), {"dropout": 0.0, "norm_first": True, "bias": False, "batch_first": True},
     [normal(3, 5, 8), normal(3, 6, 8)]),
    ("Transformer", (8, 2, 1, 2, 16), {"dropout": 0.0, "batch_first": True}, [normal(3, 5, 8), normal(3, 6, 8)]),
    ("Upsample", (), {"scale_factor": 2}, [image]),
    ("Upsample", (), {"size": (9, 5), "mode": "bilinear"}, [image]),
    ("Upsample", (), {"scale_factor": 2, "mode": "bilinear", "align_corners": True}, [image]),
    ("Upsample", (), {"scale_factor": 2, "mode": "linear"}, [sequence]),
    ("UpsamplingBilinear2d", (), {"scale_factor": 2}, [image]),
    ("PixelShuffle", (2,), {}, [image]),
    ("PixelUnshuffle", (2,), {}, [normal(1, 2, 4, 6)]),
    ("ConstantPad1d", ((1, 2), 3.0), {}, [sequence]),
    ("ZeroPad2d", (2,), {}, [image]),
    ("ReflectionPad2d", ((1, 2, 3, 0),), {}, [image]),
    ("ReplicationPad1d", (2,), {}, [sequence]),
    ("CircularPad2d", ((1, 2, 3, 0),), {}, [image]),
    ("CosineSimilarity", (), {}, [table, normal(6, 5) ** 2]),
    ("PairwiseDistance", (1.0,), {"keepdim": True}, [table, normal(6, 5) ** 2]),
    ("MSELoss", (), {}, [table, normal(6, 5) + 1]),
    ("L1Loss", (), {"reduction": "sum"}, [table, np.ones((6, 5))]),
    ("SmoothL1Loss", (), {"beta": 0.5}, [table, np.ones((6, 5))]),
    ("HuberLoss", (), {"delta": 0.7, "reduction": "none"}, [table, np.ones((6, 5))]),
    ("CrossEntropyLoss", (), {"label_smoothing": 0.1, "ignore_index": 2}, [table, integers(5, 6)]),
    ("CrossEntropyLoss", (), {}, [table, probabilities(6, 5)]),
    ("NLLLoss", (), {"reduction": "sum"}, [table, integers(5, 6)]),
    ("BCELoss", (), {}, [probabilities(6, 5), probabilities(6, 5)[::-1].copy()]),
    ("BCEWithLogitsLoss", (), {}, [table, probabilities(6, 5)]),
    ("KLDivLoss", (), {"reduction": "batchmean"}, [table, probabilities(6, 5)]),
    ("GaussianNLLLoss", (), {"full": True}, [table, np.ones((6, 5)), probabilities(6, 5)]),
    ("PoissonNLLLoss", (), {}, [table, probabilities(6, 5)]),
    ("HingeEmbeddingLoss", (), {}, [normal(6), signs]),
    ("MarginRankingLoss", (0.2,), {}, [normal(6), normal(6) * 2, signs]),
    ("CosineEmbeddingLoss", (0.1,), {}, [table, normal(6, 5) ** 2, signs]),
    ("TripletMarginLoss", (), {}, [table, normal(6, 5) ** 2, np.cos(table)]),
    ("SoftMarginLoss", (), {}, [normal(6), signs.astype(int)]),
    ("MultiLabelSoftMarginLoss", (), {}, [table, (table > 0) * 1.0]),
    ("MultiMarginLoss", (), {"p": 2}, [table, integers(5, 6)]),
]
