"""Machine code that came with the package: kernels compiled for a level of x86-64 when the wheel was built.

A wheel for Linux on x86-64 holds, for each level, an archive of machine code and a table of contents that says where
each kernel lies, with a hash, and which versions made it. The highest level that the processor has is used. Kernels
that are not in there, or whose source has changed, are compiled as without it; all of them are, after one line that
says why, if the versions are others, the processor has no level of the wheel, or a file is damaged.

Code comes from the folder of the installed package and from nowhere else: no setting leads elsewhere. Who can write
there can change the package itself. The hash finds damage; against malice it could do nothing.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import llvmlite
import numba

from . import target
from .options import BOUNDSCHECK, JIT_DISABLED, config

__all__ = ["VECTOR_BYTES", "collected", "digest", "find", "identity", "level", "made_by", "refuse", "tell", "write"]

KERNELS = pathlib.Path(__file__).parents[1]
FOLDER = KERNELS / "shipped"
NOT_IN_CODE = ("__init__", "ahead", "count", "progress", "shipped")  # modules here that machine code does not depend on

level: str | None = None  # whose code is used
collected: dict[str, bytes] | None = None  # what is compiled, while an archive is made
_contents: dict[str, tuple[int, int, str]] = {}
_reason = ""  # why nothing that came with the package can be used


def digest(paths: Iterable[pathlib.Path], root: pathlib.Path) -> Any:
    """Return the hash of files and of their names below a folder."""
    found = hashlib.sha256()
    for path in paths:
        found.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return found


def made_by() -> dict[str, str]:
    """Return what machine code depends on, besides the processor and the kernels' own sources."""
    sources = {*(KERNELS / "compile").glob("*.py"), KERNELS / "annotations.py"}
    sources -= {KERNELS / "compile" / f"{name}.py" for name in NOT_IN_CODE}
    return {
        "Python": ".".join(map(str, sys.version_info[:2])),
        "Numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "autograd_nn/kernels/compile": digest(sorted(sources), KERNELS).hexdigest()[:20],
    }


def _open() -> None:
    """Find the archive for this processor, and read its table of contents."""
    global level
    asked = target.is_named() or BOUNDSCHECK or config.OPT != 3 or not config.ENABLE_AVX  # for code of another kind
    levels = {path.stem for path in FOLDER.glob("*.json")}
    if JIT_DISABLED or asked or not levels:
        return
    own = target.host_level()
    usable = [each for each in target.LEVELS if own and each in levels and each <= own]
    if not usable:
        refuse(f"they are for processors of the levels {', '.join(sorted(levels))}")
        return
    found = usable[-1]
    try:
        table = json.loads((FOLDER / f"{found}.json").read_bytes())
        makers, here = table["made_by"], made_by()
        contents = {str(name): (int(start), int(size), str(sha)) for name, (start, size, sha) in table["code"].items()}
        if not (FOLDER / f"{found}.bin").is_file():
            raise FileNotFoundError
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        refuse(f"{found}.json or .bin is damaged")
        return
    other = [f"{name} {makers.get(name)}, here {here[name]}" for name in here if makers.get(name) != here[name]]
    if other:
        refuse("made with " + "; ".join(other))
        return
    level = found
    _contents.update(contents)


def refuse(reason: str) -> None:
    """Use nothing that came with the package from now on."""
    global _reason
    _reason = _reason or reason
    _contents.clear()


def tell() -> None:
    """Say once, before the first kernel is compiled, why what came with the package is not used."""
    global _reason
    if _reason and sys.stderr is not None:
        line = f"autograd_nn: the kernels that came with the package cannot be used ({_reason}); compiling instead"
        print(line, file=sys.stderr, flush=True)
    _reason = ""


def identity() -> str:
    """Return a name of the machine code that is used, "" if there is none."""
    if level is None:
        return ""
    shas = "".join(sha for _, _, sha in _contents.values())
    return hashlib.sha256(shas.encode()).hexdigest()[:20]


def key(entry: str, arguments: Sequence[Any]) -> str:
    """Return the name of a kernel's machine code for some types of arguments."""
    return f"{entry}-{hashlib.sha256(str(tuple(arguments)).encode()).hexdigest()[:20]}"


def find(name: str) -> bytes | None:
    """Return what was shipped under a name."""
    if name not in _contents:
        return None
    start, size, sha = _contents[name]
    try:
        with open(FOLDER / f"{level}.bin", "rb") as file:
            file.seek(start)
            found = file.read(size)
    except OSError as error:
        refuse(f"{level}.bin: {error.strerror}")
        return None
    if hashlib.sha256(found).hexdigest() != sha:
        refuse(f"{level}.bin is damaged")
        return None
    return found


def write(folder: pathlib.Path, level: str, code: dict[str, bytes]) -> None:
    """Write the archive and the table of contents of a level."""
    folder.mkdir(parents=True, exist_ok=True)
    table, start = {}, 0
    with open(folder / f"{level}.bin", "wb") as file:
        for name, data in sorted(code.items()):
            file.write(data)
            table[name] = start, len(data), hashlib.sha256(data).hexdigest()
            start += len(data)
    contents = json.dumps({"made_by": made_by(), "code": table}, indent=0)
    (folder / f"{level}.json").write_text(contents, encoding="utf-8")


_open()
VECTOR_BYTES = target.vector_bytes(level)  # of the registers that all kernels of this process are written for
