"""Compiled steps compute what eager steps do, bit for bit: losses, weights, gradients, statistics, random numbers."""

import pytest

import autograd_nn as ag

from .nets import TABLE, trained


@pytest.mark.parametrize("name", TABLE)
def test_fifty_steps_are_equal(name):
    want, _ = trained(name, None, 50)
    got, step = trained(name, ag.compile, 50)
    assert any(known.is_trusted for known in step.signatures.values()), step.explain()
    assert got == want


@pytest.mark.parametrize("name", ["convnet_sgd", "batch_norm", "dropout", "recurrent"])
def test_any_number_of_threads_gives_the_same_bits(name):
    before = ag.get_num_threads()
    try:
        ag.set_num_threads(1)
        one, _ = trained(name, ag.compile, 10)
        ag.set_num_threads(2)
        two, _ = trained(name, ag.compile, 10)
    finally:
        ag.set_num_threads(before)
    assert one == two
