"""Which of the user's functions a call runs, and what they do that no replay could repeat: print, read a clock."""

from __future__ import annotations

import gc
import os
import pathlib
import sys
import sysconfig
from types import CodeType, FrameType
from typing import Any

import llvmlite
import numba
import numpy as np

__all__ = ["Watch", "code_within", "is_users", "names_in", "words_in"]

_LIBRARIES = tuple(
    os.path.realpath(path) + os.sep
    for path in (
        pathlib.Path(__file__).parents[1],
        pathlib.Path(np.__file__).parent,
        pathlib.Path(numba.__file__).parent,
        pathlib.Path(llvmlite.__file__).parent,
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
    )
)
_COMPILERS = (*(str(pathlib.Path(str(library.__file__)).parent) + os.sep for library in (numba, llvmlite)),
              "<frozen importlib")
_ROOTS = (__name__.split(".")[0] + ".", "numpy", "numba", "llvmlite")
_PACKAGES = os.sep + "site-packages" + os.sep
_CLOCKS_AND_DICE = frozenset({"random", "_random", "time", "datetime", "_datetime", "secrets", "uuid", "posix", "nt"})
_TALKING = frozenset({"logging", "_io", "tqdm", "warnings", "_warnings", "socket", "_socket", "subprocess"})
_TELLING = _CLOCKS_AND_DICE | _TALKING
_BUILTINS = frozenset({"print", "input", "open", "exec", "eval", "breakpoint"})
_BY_ANY_NAME = frozenset({"getattr", "vars", "globals", "locals", "dir"})
_known: dict[str, bool] = {}


def is_users(code: CodeType) -> bool:
    """Return whether code is neither of this package nor of Python, NumPy or Numba."""
    return is_users_file(code.co_filename)


def is_users_file(file: str) -> bool:
    """Return whether a file is neither of this package nor of Python, NumPy or Numba."""
    known = _known.get(file)
    if known is None:
        path = os.path.realpath(file)
        own = path.startswith(_LIBRARIES[:4]) or (path.startswith(_LIBRARIES[4:]) and _PACKAGES not in path)
        known = _known[file] = not own and not file.startswith("<frozen ")
    return known


def code_within(code: CodeType) -> list[CodeType]:
    """Return code and that of the functions defined in it."""
    found = [code]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found += code_within(constant)
    return found


def names_in(code: CodeType) -> set[str]:
    """Return the names of globals and attributes that code reads, and the words among its constants."""
    return words_in(code).union(*(each.co_names for each in code_within(code)))


def words_in(code: CodeType) -> set[str]:
    """Return the words among the constants of code that may be names of attributes."""
    words: set[str] = set()
    for each in code_within(code):
        for constant in each.co_consts:
            several = constant if isinstance(constant, tuple | frozenset) else (constant,)
            words.update(word for word in several if isinstance(word, str) and word.isidentifier())
    return words


class Watch:
    """Hears, in a ``with`` block, which functions run.

    Meanwhile no garbage is collected: what other libraries do then is no part of the function that is watched.

    Attributes
    ----------
    codes : set of code
        The user's code that ran.
    problems : list of str
        What it did that a replay cannot repeat.
    by_any_name : bool
        Whether it read attributes by names that are computed.
    """

    def __init__(self) -> None:
        self.codes: set[CodeType] = set()
        self.problems: dict[str, None] = {}
        self.by_any_name = False
        self.before: Any = None

    def __enter__(self) -> Watch:
        before: Any = sys.getprofile()
        self.before = before  # a function, or on Python 3.11 a cProfile.Profile, which pauses meanwhile
        self.pauses = not (self.before is None or callable(self.before))
        if self.pauses:
            before.disable()
        self.collects = gc.isenabled()
        gc.disable()
        sys.setprofile(self._hear)
        return self

    def __exit__(self, *exception: object) -> None:
        sys.setprofile(None if self.pauses else self.before)
        if self.pauses:
            self.before.enable()
        if self.collects:
            gc.enable()

    def _hear(self, frame: FrameType, event: str, called: Any) -> None:
        if event == "call":
            code = frame.f_code
            if code in self.codes:
                return
            if is_users(code) and not _is_librarys(frame):
                self.codes.add(code)
            else:
                module = frame.f_globals.get("__name__", "").split(".")[0]
                if module in _TELLING or (module == "os" and code.co_name == "getenv"):
                    self._note(self._asking(frame.f_back), f"{module}.{code.co_name}()")
        elif event == "c_call":
            name = getattr(called, "__name__", "")
            owner = getattr(called, "__self__", None)
            module = getattr(called, "__module__", None) or (
                owner if isinstance(owner, type) else type(owner)).__module__
            if module == "builtins":
                if frame.f_code not in self.codes:
                    return
                if name in _BUILTINS and called is getattr(__import__("builtins"), name):
                    self._note(frame, f"{name}()")
                elif name in _BY_ANY_NAME:
                    self.by_any_name = True
            elif module in _TELLING:
                self._note(self._asking(frame), f"{module.lstrip('_')}.{name}()")

    def _asking(self, frame: FrameType | None) -> FrameType | None:
        """Return the frame of the user's code that runs, itself or by way of Python's libraries; else None."""
        while frame is not None and frame.f_code not in self.codes:
            if frame.f_code.co_filename.startswith((_LIBRARIES[0], *_COMPILERS)):
                return None
            frame = frame.f_back
        return frame

    def _note(self, frame: FrameType | None, what: str) -> None:
        if frame is None:
            return
        code = frame.f_code
        self.problems[f"it calls {what}, in {code.co_name}() ({os.path.basename(code.co_filename)}, "
                      f"line {frame.f_lineno})"] = None


def _is_librarys(frame: FrameType) -> bool:
    """Return whether code was made by a library from text (a named tuple), or is run to compile or to import."""
    name = frame.f_globals.get("__name__", "")
    if frame.f_code.co_filename == "<string>" and name.startswith(("namedtuple_", *_ROOTS)):
        return True
    caller = frame.f_back
    while caller is not None:
        if caller.f_code.co_filename.startswith(_COMPILERS):
            return True
        caller = caller.f_back
    return False
