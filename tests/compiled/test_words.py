"""The native comparison of slots sees each change, and guards without it see the same."""

import types

import pytest

import autograd_nn as ag
from autograd_nn.compiled import guards, words
from autograd_nn.engine import Variable
from autograd_nn.kernels.machine import is_available

pytestmark = pytest.mark.skipif(not is_available(), reason="no native programs here")


def test_the_places_of_all_slots_are_found():
    places = {kind: [words.place_of(kind, name) for name in names] for kind, names in words.SLOTS.items()}
    for kind, found in places.items():
        assert None not in found and len({*found}) == len(found), kind
        assert all(0 < place < kind.__basicsize__ for place in found)


def test_each_change_of_a_slot_is_seen_and_can_be_taken_over():
    cell = types.CellType([1])

    def function(a=1, *, b=2):
        return a

    class Kind(ag.nn.Parameter):
        pass

    changes = [
        (Kind(ag.ones(2)), Variable, "array", ag.ones(2).array), (ag.ones(2), Variable, "node", None),
        (ag.ones(2, requires_grad=True), Variable, "node", None), (cell, types.CellType, "cell_contents", [1]),
        (function, types.FunctionType, "__code__", (lambda a=1, *, b=2: b).__code__),
        (function, types.FunctionType, "__defaults__", (3,)),
        (function, types.FunctionType, "__kwdefaults__", {"b": 2}),
    ]  # fmt: skip
    watched = words.Words([(holder, kind, name) for holder, kind, name, _ in changes])
    assert watched.same()
    for holder, _, name, value in changes:
        before = getattr(holder, name)
        setattr(holder, name, value)
        assert watched.same() is (before is value), name
        setattr(holder, name, before)
        assert watched.same(), name
        setattr(holder, name, value)
        watched.renew()
        assert watched.same(), name


def test_what_was_compared_is_kept_alive():
    """Else another object could come to lie at its address, and be taken for it."""
    x = ag.ones(3)
    watched = words.Words([(x, Variable, "array")])
    address = id(x.array)
    x.array = None
    others = [ag.ones(3).array for _ in range(1000)]
    assert address not in map(id, others) and not watched.same()


def test_an_emptied_cell_differs():
    cell = types.CellType(5)
    watched = words.Words([(cell, types.CellType, "cell_contents")])
    del cell.cell_contents
    assert not watched.same()
    watched.renew()
    assert watched.same()


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("change", ["factor", "default", "weight", "frozen"])
def test_guards_see_changes_with_and_without_it(native, change, monkeypatch):
    if not native:
        monkeypatch.setattr(guards, "has_places", lambda: False)
    model, factor = ag.nn.Linear(2, 1, bias=False), 2.0

    def scaled(x, power=1):
        return (model(x) * factor) ** power

    step = ag.compile(lambda x: scaled(x).sum().detach())
    x = ag.ones(3, 2)
    for _ in range(4):
        assert step(x).item() == scaled(x).sum().item()
    assert "1 plan" in repr(step)
    if change == "factor":
        factor = 3.0
    elif change == "default":
        scaled.__defaults__ = (2,)
    elif change == "weight":
        model.weight = ag.nn.Parameter(ag.full((1, 2), 7.0))
    else:
        model.weight.requires_grad = False
    for _ in range(4):
        assert step(x).item() == scaled(x).sum().item()
