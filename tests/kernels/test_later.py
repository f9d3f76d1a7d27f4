"""Kernels are loaded by their first use: what an import brings, and what threads that come first at once see."""

import subprocess
import sys
import textwrap
import threading
from types import ModuleType

import pytest

import autograd_nn as ag
from autograd_nn.kernels.later import Later, load_later


def in_a_fresh_process(code):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout.split()


def test_an_import_loads_no_compiler_and_the_first_sum_does():
    found = in_a_fresh_process("""
        import sys
        import autograd_nn as ag
        from autograd_nn import nn, optim
        optim.Adam(nn.Linear(2, 1).parameters())
        shown = {"compile", "get_num_threads", "func", "fft", "relu"} <= set(dir(ag))
        print("numba" in sys.modules, "llvmlite" in sys.modules, "autograd_nn.compiled" in sys.modules, shown)
        print(ag.ones(3).sum().item(), "numba" in sys.modules, ag.get_num_threads() >= 1)
    """)
    assert found == ["False", "False", "False", "True", "3.0", "True", "True"]


def test_a_module_finds_the_compiler_that_nobody_loaded():
    found = in_a_fresh_process("""
        import autograd_nn as ag
        model = ag.nn.Linear(2, 1)
        model.compile()
        print([model(ag.ones(1, 2)).shape for _ in range(3)][-1], type(model.forward).__name__)
    """)
    assert found == ["(1,", "1)", "Compiled"]


def test_no_room_loads_what_only_an_extra_brings():
    found = in_a_fresh_process("""
        import sys
        import autograd_nn.sklearn, autograd_nn.training
        print(*[name for name in ("torch", "tensorboardX", "optuna", "PIL", "onnx", "mpi4py") if name in sys.modules])
    """)
    assert found == []


def test_names_that_come_later_are_public():
    assert {"compile", "get_num_threads", "set_num_threads"} <= set(ag.__all__)
    assert all(getattr(ag, name) is not None for name in ag.__all__)
    assert set(ag.__all__) <= set(dir(ag))


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A package of one module, which counts how often it is executed."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "__init__.py").write_text("runs = []\n")
    (tmp_path / "room" / "inside.py").write_text(
        "import time\nfrom . import runs\nruns.append(1)\ntime.sleep(0.05)\n"
        "def three():\n    return 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    room = __import__("room")
    load_later(room, ["inside"])
    yield room
    for name in [name for name in sys.modules if name.partition(".")[0] == "room"]:
        del sys.modules[name]


def test_threads_that_ask_at_once_load_a_module_once(room):
    found, start = [], threading.Barrier(4)

    def ask():
        start.wait()
        found.append(room.inside.three())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3] * 4
    assert room.runs == [1]


def test_a_loaded_module_is_a_plain_one_and_the_same(room):
    before = room.inside
    assert type(before) is Later
    assert "three" in dir(before)
    from room import inside
    from room.inside import three

    assert inside is before is sys.modules["room.inside"]
    assert type(before) is ModuleType
    assert three is before.three
    with pytest.raises(AttributeError, match=r"module 'room.inside' has no attribute 'four'"):
        _ = before.four


def test_a_module_that_failed_to_load_is_loaded_by_the_next_use(room, tmp_path):
    file = tmp_path / "room" / "inside.py"
    good = file.read_text()
    file.write_text("raise OSError('busy')\n")
    with pytest.raises(OSError, match="busy"):
        room.inside.three()
    file.write_text(good + "# mended\n")
    assert room.inside.three() == 3


def test_what_walks_over_a_package_loads_nothing():
    """As doctest does, which would see the package change while it walks."""
    in_a_fresh_process("""
        import inspect
        import autograd_nn.kernels as kernels
        from autograd_nn.kernels.later import Later

        waiting = [value for value in vars(kernels).values() if isinstance(value, Later)]
        assert waiting
        for value in vars(kernels).values():
            assert inspect.unwrap(value) is value or callable(value)
        assert all(isinstance(value, Later) for value in waiting)
    """)
