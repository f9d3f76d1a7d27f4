"""Print README's two reading lists with the number of lines of each file: the core, and the kernels.

python docs/reading_list.py
"""

from __future__ import annotations

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "autograd_nn"

# From what there is to learn to the files that teach it; a folder stands for all of its files.
CORE = {
    "the graph, the one door that records it, the backward pass": ["engine"],
    "the Tensor: syntax over operations": ["tensor/tensor.py"],
    "what an operation is": ["ops/elementwise.py"],
    "why convolution is three operations": ["ops/conv.py"],
    "parameters and layers": ["nn/module.py"],
    "the loop of an optimizer, and two update rules": ["optim/optimizer.py", "optim/sgd.py", "optim/adam.py"],
    "the training loop": ["training/loop.py"],
}
KERNELS = {
    "how kernels are compiled, cached and threaded": ["kernels/compile"],
    "the register tile: where the arithmetic happens": ["kernels/tile.py"],
    "matrix products on the tile": ["kernels/gemm.py"],
    "convolution on the tile": ["kernels/conv/choice.py", "kernels/conv/direct.py", "kernels/conv/direct_weight.py"],
    "Winograd's convolution": ["kernels/conv/winograd"],
}
LIMITS = {"core": 3500, "engine": 900}


def files(name: str) -> list[pathlib.Path]:
    """Return the file of a name in the package, or all files of a folder."""
    path = PACKAGE / name
    found = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    if not found:
        raise FileNotFoundError(f"reading list: no Python file in {path}")
    return found


def lines(path: pathlib.Path) -> int:
    """Return the number of lines of a file."""
    return path.read_text(encoding="utf-8").count("\n")


def total(chapters: dict[str, list[str]]) -> int:
    """Return the number of lines of a list."""
    return sum(lines(file) for names in chapters.values() for name in names for file in files(name))


def main() -> None:
    """Print both lists."""
    for title, chapters in (("Core", CORE), ("Kernels", KERNELS)):
        print(f"{title}: {total(chapters):,} lines")
        for idea, names in chapters.items():
            print(f"  {idea}")
            for file in (file for name in names for file in files(name)):
                print(f"  {lines(file):6}  {file.relative_to(ROOT)}")
        print()


if __name__ == "__main__":
    main()
