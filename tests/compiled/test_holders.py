"""Values that lie in objects of Python's own libraries, whose methods read what no code of the user's names.

Each case makes something that holds a number, reads it in the step, and changes it after ten calls. The losses must be
those of eager mode: the object is followed, or the step stays eager.
"""

import argparse
import array
import collections
import configparser
import contextvars
import datetime
import decimal
import functools
import operator
import os
import pathlib
import queue
import re
import sys
import threading
import types
import warnings
import weakref

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, optim
from autograd_nn.compiled import CompileWarning

FOLLOWED, EAGER = {}, {}
KEPT = []
CONTEXT = contextvars.ContextVar("factor", default=1.0)
BY_NAME = operator.attrgetter("factor")


class Plain:
    def __init__(self):
        self.factor = 1.0


class Dict(collections.UserDict):
    pass


class Proxy:
    def __init__(self):
        self.__dict__["held"] = {"factor": 1.0}

    def __getattr__(self, name):
        return self.__dict__["held"][name]


class Hidden:
    def __get__(self, owner, kind):
        return owner.__dict__.get("_hidden", 1.0)


class OfHidden:
    factor = Hidden()


class Meta(type):
    value = 1.0

    @property
    def factor(cls):
        return Meta.value


class OfMeta(metaclass=Meta):
    pass


def followed(name, make, read, change):
    FOLLOWED[name] = make, read, change


def eager(name, make, read, change):
    EAGER[name] = make, read, change


def put(key, value):
    return lambda holder: holder.__setitem__(key, value)


def kept(value, view):
    KEPT.append(value)
    return view(value)


def environment(value):
    os.environ["AUTOGRAD_NN_FACTOR"] = value
    return os.environ


def with_items(holder, *items):
    for item in items:
        holder.put(item)
    return holder


def parser():
    made = configparser.ConfigParser()
    made["a"] = {"factor": "1.0"}
    return made


def file(value, write):
    path = pathlib.Path(KEPT[0], "factor.npy")
    write(path, value)
    return path


followed("os.environ", lambda: environment("1"), lambda h: float(os.environ["AUTOGRAD_NN_FACTOR"]),
         put("AUTOGRAD_NN_FACTOR", "2"))
followed("an alias of os.environ", lambda: environment("1"), lambda h: float(h["AUTOGRAD_NN_FACTOR"]),
         put("AUTOGRAD_NN_FACTOR", "2"))
followed("ChainMap", lambda: collections.ChainMap({}, {"a": 1.0}), lambda h: h["a"],
         lambda h: h.maps[1].__setitem__("a", 2.0))
followed("UserDict", lambda: collections.UserDict(a=1.0), lambda h: h["a"], put("a", 2.0))
followed("UserList", lambda: collections.UserList([1.0]), lambda h: h[0], put(0, 2.0))
followed("a class of a UserDict", lambda: Dict(a=1.0), lambda h: h["a"], put("a", 2.0))
followed("Counter", lambda: collections.Counter("a"), lambda h: float(h["a"]), lambda h: h.update("a"))
followed("bytearray", lambda: bytearray([1]), lambda h: float(h[0]), put(0, 2))
followed("array", lambda: array.array("d", [1.0]), lambda h: h[0], put(0, 2.0))
followed("memoryview", lambda: memoryview(bytearray([1])), lambda h: float(h[0]), put(0, 2))
followed("mappingproxy", lambda: kept({"a": 1.0}, types.MappingProxyType), lambda h: h["a"],
         lambda h: KEPT[-1].update(a=2.0))
followed("a view of a dict", lambda: kept({"a": 1.0}, dict.values), sum, lambda h: KEPT[-1].update(a=2.0))
followed("a weak reference", lambda: kept(Plain(), weakref.ref), lambda h: h().factor,
         lambda h: setattr(KEPT[-1], "factor", 2.0))
followed("a bound method of a dict", lambda: {"a": 1.0}.get, lambda h: h("a"), lambda h: h.__self__.update(a=2.0))
followed("ContextVar", lambda: (CONTEXT.set(1.0), CONTEXT)[1], lambda h: h.get(), lambda h: CONTEXT.set(2.0))
followed("threading.local", lambda: kept(1.0, lambda value: threading.local()), lambda h: getattr(h, "factor", 1.0),
         lambda h: setattr(h, "factor", 2.0))
followed("Event", threading.Event, lambda h: 2.0 if h.is_set() else 1.0, lambda h: h.set())
followed("a lock beside a number", lambda: (threading.Lock(), [1.0]),
         lambda h: (h[0].acquire(), h[1][0], h[0].release())[1], lambda h: h[1].__setitem__(0, 2.0))
followed("ConfigParser", parser, lambda h: float(h["a"]["factor"]), lambda h: h["a"].__setitem__("factor", "2.0"))
followed("argparse.Namespace", lambda: argparse.Namespace(factor=1.0), lambda h: vars(h)["factor"],
         lambda h: setattr(h, "factor", 2.0))
followed("a queue", lambda: with_items(queue.Queue(), 1.0), lambda h: float(h.qsize()), lambda h: h.put(1.0))
followed("an attribute that comes", Plain, lambda h: getattr(h, "other", 1.0), lambda h: setattr(h, "other", 2.0))
followed("hasattr", Plain, lambda h: 2.0 if hasattr(h, "other") else 1.0, lambda h: setattr(h, "other", 2.0))
followed("__getattr__", Proxy, lambda h: h.factor, lambda h: h.held.update(factor=2.0))
followed("a descriptor", OfHidden, lambda h: h.factor, lambda h: h.__dict__.update(_hidden=2.0))
followed("a property of a metaclass", lambda: setattr(Meta, "value", 1.0), lambda h: OfMeta.factor,
         lambda h: setattr(Meta, "value", 2.0))
followed("a value of a module of Python's", lambda: sys.argv[:1], lambda h: float(len(sys.argv[0])),
         lambda h: sys.argv.__setitem__(0, sys.argv[0] + "x"))
followed("Decimal", lambda: [decimal.Decimal(1)], lambda h: float(h[0]), put(0, decimal.Decimal(2)))
followed("a pattern", lambda: [re.compile("a")], lambda h: 1.0 if h[0].match("a") else 2.0, put(0, re.compile("b")))
followed("itemgetter", lambda: {"a": 1.0}, lambda h: operator.itemgetter("a")(h), put("a", 2.0))
eager("attrgetter", Plain, lambda h: BY_NAME(h), lambda h: setattr(h, "factor", 2.0))
eager("os.getenv", lambda: environment("1"), lambda h: float(os.getenv("AUTOGRAD_NN_FACTOR")),
      put("AUTOGRAD_NN_FACTOR", "2"))
eager("a simple queue", lambda: with_items(queue.SimpleQueue(), 1.0), lambda h: float(h.qsize()), lambda h: h.put(1.0))
eager("a file read by pathlib", lambda: file("1", pathlib.Path.write_text), lambda h: float(h.read_text()),
      lambda h: h.write_text("2"))
eager("a file read by NumPy", lambda: file(np.ones(1), np.save), lambda h: np.load(h)[0].item(),
      lambda h: np.save(h, np.full(1, 2.0)))
eager("a clock", lambda: 0, lambda h: 1.0 + 0 * datetime.datetime.now().microsecond, lambda h: None)
eager("a cache", lambda: functools.lru_cache(lambda: 1.0), lambda h: h(), lambda h: None)


def losses(case, compiled):
    make, read, change = case
    ag.manual_seed(0)
    holder = make()
    model = nn.Linear(3, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x):
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean() * read(holder)
        loss.backward()
        optimizer.step()
        return loss

    run = ag.compile(step) if compiled else step
    found = []
    for i in range(14):
        if i == 10:
            change(holder)
        found.append(run(ag.full((4, 3), 0.1 * i)).item())
    return found, run


@pytest.mark.parametrize("name", [*FOLLOWED, *EAGER])
def test_what_a_library_holds_is_never_stale(name, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["x"])
    monkeypatch.setenv("AUTOGRAD_NN_FACTOR", "1")
    KEPT[:] = [str(tmp_path)]
    case = FOLLOWED.get(name) or EAGER[name]
    expected, _ = losses(case, compiled=False)
    monkeypatch.setattr(sys, "argv", ["x"])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found, step = losses(case, compiled=True)
    assert found == expected
    stays = "stays eager" in str(step.explain())
    assert stays == (name in EAGER), step.explain()
    assert any(issubclass(warning.category, CompileWarning) for warning in said) == stays
