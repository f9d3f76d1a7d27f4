"""Functions of `nn.functional` by values from PyTorch."""

import numpy as np
import pytest

from autograd_nn import tensor
from autograd_nn.nn import functional as F

a, b, w = tensor([1.0, 2.0, 4.0]), tensor([0.0, 1.0, 1.0]), tensor([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("loss", "mean", "each"),
    [(F.mse_loss, 5, [1, 2, 27]), (F.l1_loss, 2, [1, 2, 9]), (F.huber_loss, 3, [0.5, 1, 7.5])],
)
def test_weights_of_elements(loss, mean, each):
    assert loss(a, b, weight=w).item() == pytest.approx(mean)
    assert loss(a, b, reduction="none", weight=w).tolist() == each
    assert loss(a, b, reduction="sum", weight=w).item() == sum(each)
    with pytest.raises(RuntimeError, match=r"weight.shape=\(1,\), input.shape=\(3,\)"):
        loss(a, b, weight=tensor([1.0]))


def test_triplet_margin_loss_takes_the_nearer_negative():
    anchor, positive, negative = tensor([[0.0, 0.0]]), tensor([[3.0, 0.0]]), tensor([[4.0, 1.0]])
    assert F.triplet_margin_loss(anchor, positive, negative).item() == pytest.approx(0.0)
    swapped = F.triplet_margin_loss(anchor, positive, negative, swap=True).item()
    assert swapped == pytest.approx(3 - np.sqrt(2) + 1, abs=1e-5)
