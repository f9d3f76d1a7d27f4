"""Connectionist temporal classification: all paths tried one by one, and differences of them."""

import numpy as np
import pytest

from autograd_nn.kernels import ctc
from tests import reference


def problem(
    dtype, T=4, C=3, blank=0, targets=((1, 2), (2, 2), (1, 0)), input_lengths=(4, 3, 4), target_lengths=(2, 2, 1)
):  # fmt: skip
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((T, len(targets), C))
    log_probs = (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype(dtype)
    return log_probs, np.array(targets), np.array(input_lengths), np.array(target_lengths), blank


PROBLEMS = [
    {},
    {"blank": 2, "targets": ((0, 1), (1, 1), (1, 0))},
    {"targets": ((1, 2), (1, 1)), "input_lengths": (4, 2), "target_lengths": (0, 2)},  # the second has no alignment
    {"T": 1, "targets": ((1,),), "input_lengths": (1,), "target_lengths": (1,)},
    {"targets": ((1,), (2,)), "input_lengths": (0, 0), "target_lengths": (0, 1)},
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("settings", PROBLEMS, ids=range(len(PROBLEMS)))
def test_loss_and_gradient(settings, dtype, threads):
    given = problem(dtype, **settings)
    g = np.arange(1, given[0].shape[1] + 1).astype(dtype)
    found = []
    for count in (1, 2):
        threads(count)
        found.append((ctc.ctc(*given), ctc.ctc_input(g, *given)))
    (loss, gradient), other = found
    assert loss.tobytes() == other[0].tobytes() and gradient.tobytes() == other[1].tobytes()
    assert loss.dtype == gradient.dtype == dtype
    np.testing.assert_allclose(loss, reference.ctc(*given), 1e-5)
    np.testing.assert_allclose(gradient, reference.ctc_input(g, *given), 1e-4, 1e-5)


def test_views_and_read_only_inputs():
    log_probs, *others = problem(np.float64)
    view = np.asfortranarray(log_probs)
    view.flags.writeable = False
    assert np.array_equal(ctc.ctc(view, *others), ctc.ctc(log_probs, *others))
