"""Run notebooks and store them with their outputs: python notebooks/store.py [00_tensors_and_shapes.ipynb ...]

What only a running kernel can show (sliders) is left out, and so are times and the machine's name.
"""

import pathlib
import re
import sys
import time

import nbformat
from nbclient import NotebookClient

HERE = pathlib.Path(__file__).resolve().parent


def stored(path):
    """Run a notebook from top to bottom, and write it back."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(HERE)}}).execute()
    notebook.metadata = {key: notebook.metadata[key] for key in ("kernelspec", "language_info")}
    notebook.metadata.language_info = {"name": "python"}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = joined([output for output in map(tidied, cell.outputs) if kept(output)])
            for output in cell.outputs:
                output.pop("transient", None)
                if "metadata" in output:
                    output.metadata = {}
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def tidied(output):
    """Return an output without the line that kernels are being compiled, which names a folder of this machine."""
    if output.output_type == "stream":
        output.text = re.sub(r"(?m)^autograd_nn: compiling kernels.*\n?", "", output.text)
    return output


def joined(outputs):
    """Return outputs with the parts of a stream put together."""
    whole = []
    for output in outputs:
        last = whole[-1] if whole else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            whole.append(output)
    return whole


def kept(output):
    """Return whether an output can be shown without a kernel."""
    return not any("widget" in kind for kind in output.get("data", {})) and not (
        output.output_type == "stream" and not re.search(r"\S", output.text)
    )


if __name__ == "__main__":
    for path in [HERE / name for name in sys.argv[1:]] or sorted(HERE.glob("*.ipynb")):
        started = time.perf_counter()
        stored(path)
        print(f"{path.name}: {time.perf_counter() - started:.0f} s, {path.stat().st_size / 1e3:.0f} kB", flush=True)
