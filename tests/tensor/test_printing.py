"""How tensors and modules show themselves."""

import re

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, nn
from autograd_nn.tensor.printing import format_bytes, html_table


def cells(text):
    return re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", text)


def test_a_small_tensor_is_printed_whole():
    assert repr(ag.tensor([1.0, 2.0])) == "tensor([1., 2.])"
    assert repr(ag.tensor([1, 2])) == "tensor([1, 2])"
    assert repr(ag.tensor([1.0], dtype=np.float64)) == "tensor([1.], dtype=float64)"
    assert repr(ag.tensor([1.0], requires_grad=True)) == "tensor([1.], requires_grad=True)"
    assert repr(ag.tensor([1.0], requires_grad=True) * 2) == "tensor([2.], origin=mul)"
    assert repr(ag.zeros(0, 3)) == "tensor([], shape=(0, 3))"
    assert "..." not in repr(ag.arange(200.0))


@pytest.mark.parametrize("shape", [(1000,), (30, 33), (2000, 1000), (64, 3, 32, 32), (6,) * 5, (3,) * 6, (2,) * 11])
def test_a_large_tensor_is_printed_short_with_its_shape(shape):
    text = repr(ag.zeros(*shape))
    assert len(text) < 2500 and "..." in text and text.endswith(f"shape={shape})")
    assert len(ag.zeros(*shape)._repr_html_()) < 6000


def test_the_edges_are_what_is_printed():
    text = repr(Tensor(np.arange(10_000, dtype=np.int64).reshape(100, 100)))
    assert text.startswith("tensor([[   0,    1,    2, ...,   97,   98,   99]") and "9998, 9999]]" in text


def test_html_of_a_tensor_says_shape_dtype_origin_and_range():
    x = Tensor(np.arange(24, dtype=np.float32).reshape(2, 3, 4), requires_grad=True)
    text = (x * 2)._repr_html_()
    shown = cells(text)
    assert shown[:8] == ["shape", "(2, 3, 4)", "dtype", "float32, 96 B", "origin", "mul", "elements",
                         "from 0 to 46, mean 23"]
    assert shown[8:12] == ["0", "2", "4", "6"] and "[0, :, :]" in text
    assert "yes, no gradient yet" in cells(x._repr_html_())
    x.sum().backward()
    assert "yes, has a gradient" in cells(x._repr_html_())


def test_html_of_a_large_tensor_shows_its_corners():
    shown = cells(Tensor(np.arange(10_000, dtype=np.int64).reshape(100, 100))._repr_html_())
    assert shown[6:13] == ["0", "1", "2", "…", "97", "98", "99"] and shown[-1] == "9999" and shown.count("⋮") == 7


@pytest.mark.parametrize("value", [3.0, [], [True, False], [[float("nan")]]])
def test_html_of_odd_tensors(value):
    assert ag.tensor(value)._repr_html_().startswith("<div><strong>Tensor</strong>")


def test_a_parameter_is_named_in_html():
    assert "<strong>Parameter</strong>" in nn.Linear(2, 3).weight._repr_html_()


def test_html_of_a_module_is_a_tree_with_counts():
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 1, bias=False)))
    text = model._repr_html_()
    assert text.count("<details") == text.count("</details>") == 2
    assert "Sequential() <small>12 parameters</small>" in text
    assert "(0) Linear(in_features=2, out_features=3, bias=True) <small>9 parameters</small>" in text
    assert "(0) ReLU()</div>" in text


def test_html_is_escaped():
    assert "&lt;b&gt;" in html_table([["<b>", "1"]])


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (94_000, "91.8 KiB"),
                                             (3 * 2**20, "3.0 MiB"), (5 * 2**30, "5.0 GiB")])
def test_bytes_have_binary_units(count, text):
    assert format_bytes(count) == text
