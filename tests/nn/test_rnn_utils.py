"""Padded and packed sequences, by values from PyTorch and against it."""

import numpy as np
import pytest

from autograd_nn import Tensor, manual_seed, nn, tensor
from autograd_nn.nn.utils import parameters_to_vector, vector_to_parameters
from autograd_nn.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)
from autograd_nn.testing import gradcheck, gradgradcheck

a, b, c = tensor([1.0, 2.0]), tensor([3.0, 4.0, 5.0]), tensor([6.0])


def test_pad_and_pack():
    assert pad_sequence([a, b, c]).tolist() == [[1, 3, 6], [2, 4, 0], [0, 5, 0]]
    assert pad_sequence([a, c], True, -1.0, "left").tolist() == [[1, 2], [-1, 6]]
    packed = pack_sequence([a, b, c], enforce_sorted=False)
    assert packed.data.tolist() == [3, 1, 6, 4, 2, 5]
    assert packed.batch_sizes.tolist() == [3, 2, 1]
    assert packed.sorted_indices.tolist() == [1, 0, 2]
    assert packed.unsorted_indices.tolist() == [1, 0, 2]
    padded, lengths = pad_packed_sequence(packed, batch_first=True, padding_value=9.0, total_length=4)
    assert padded.tolist() == [[1, 2, 9, 9], [3, 4, 5, 9], [6, 9, 9, 9]]
    assert lengths.tolist() == [2, 3, 1]
    assert [x.tolist() for x in unpack_sequence(packed)] == [[1, 2], [3, 4, 5], [6]]
    assert [x.tolist() for x in unpad_sequence(padded, lengths, True)] == [[1, 2], [3, 4, 5], [6]]


def test_gradients_of_both_orders():
    rng = np.random.default_rng(0)
    x = Tensor(rng.standard_normal((2, 3, 2)), requires_grad=True, dtype=np.float64)
    manual_seed(0)
    layer = nn.GRU(2, 2, bidirectional=True, dtype=np.float64)

    def run(x):
        packed = pack_padded_sequence(x, [1, 3], batch_first=True, enforce_sorted=False)
        out, h = layer(packed)
        return pad_packed_sequence(out)[0], h

    assert gradcheck(run, (x,))
    assert gradgradcheck(run, (x,))


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("given", [False, True])
def test_packed_input_against_torch(kind, given):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    ours = getattr(nn, kind)(3, 4, 2, bidirectional=True, dtype=np.float64)
    theirs = getattr(torch.nn, kind)(3, 4, 2, bidirectional=True, dtype=torch.float64)
    theirs.load_state_dict({k: torch.from_numpy(v.array.copy()) for k, v in ours.state_dict().items()})
    x, lengths = rng.standard_normal((5, 4, 3)), [2, 5, 1, 4]
    first = rng.standard_normal((4, 4, 4))
    states = [(make(first), make(first)) if kind == "LSTM" else make(first) for make in (Tensor, torch.from_numpy)]
    leaf, other = Tensor(x, requires_grad=True), torch.from_numpy(x).requires_grad_()
    out, h = ours(pack_padded_sequence(leaf, lengths, enforce_sorted=False), *states[:1] * given)
    expected, k = theirs(
        torch.nn.utils.rnn.pack_padded_sequence(other, torch.tensor(lengths), enforce_sorted=False), *states[1:] * given
    )
    assert np.allclose(out.data.array, expected.data.detach().numpy())
    h, k = (h, k) if kind == "LSTM" else ((h,), (k,))
    for mine, its in zip(h, k):
        assert np.allclose(mine.array, its.detach().numpy())
    ((out.data**2).sum() + h[0].sum()).backward()
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(expected)
    ((padded**2).sum() + k[0].sum()).backward()
    assert np.allclose(leaf.grad.array, other.grad.numpy())


def test_errors():
    x = tensor(np.zeros((3, 2)))
    for call, error, text in [
        (lambda: pad_sequence([]), ValueError, r"pad_sequence\(\): expects at least one"),
        (lambda: pad_sequence([a, x]), RuntimeError, r"sequence 0: \(2,\), sequence 1: \(3, 2\)"),
        (lambda: pad_sequence([a], padding_side="up"), ValueError, "'up'"),
        (lambda: pack_padded_sequence(x, [3]), RuntimeError, r"input.shape=\(3, 2\), lengths.shape=\(1,\)"),
        (lambda: pack_padded_sequence(x, [4, 1]), RuntimeError, "from 1 to 3 .*largest 4"),
        (lambda: pack_padded_sequence(x, [1, 2]), RuntimeError, r"decreasing order.*\[1, 2\]"),
        (lambda: pack_padded_sequence([1], [1]), TypeError, "expects a tensor, got list"),
        (lambda: pad_packed_sequence(x), TypeError, "expects a PackedSequence, got Tensor"),
        (lambda: pad_packed_sequence(pack_sequence([a]), total_length=1), ValueError, "total_length=1, longest 2"),
        (lambda: nn.GRU(2, 2)(pack_sequence([a])), RuntimeError, r"GRU: .*input_size=2 \(data.shape=\(2,\)\)"),
        (lambda: nn.GRU(2, 2)(3), TypeError, "GRU: expects a tensor or a PackedSequence, got int"),
        (lambda: parameters_to_vector([]), ValueError, "at least one parameter"),
        (lambda: vector_to_parameters(a, [b]), RuntimeError, r"the 3 elements .*vec.shape=\(2,\)"),
        (lambda: vector_to_parameters(3, [b]), TypeError, "got int"),
    ]:
        with pytest.raises(error, match=text):
            call()


def test_parameters_as_a_vector_and_back():
    layer = nn.Linear(2, 1)
    vector = parameters_to_vector(layer.parameters())
    assert vector.shape == (3,) and vector.requires_grad
    vector_to_parameters(tensor([1.0, 2.0, 3.0]), layer.parameters())
    assert layer.weight.tolist() == [[1, 2]] and layer.bias.tolist() == [3]
    assert isinstance(pack_sequence([a]), PackedSequence)
