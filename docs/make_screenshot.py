"""Run a notebook in JupyterLab, in a real browser, and keep a picture of its page.

``python docs/make_screenshot.py notebooks/06_beyond_digits.ipynb LivePlot docs/pictures/jupyterlab.png`` runs all cells
from top to bottom and takes the picture while the cell that holds the word is at work, its output in view; it fails
where a cell fails or is left out. With ``--done FILE`` a second picture is taken at the end. It needs
``pip install -e '.[notebooks]' playwright`` and a Chromium on the path.
"""

import argparse
import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from playwright.sync_api import Page, sync_playwright

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def start_jupyterlab(folder: str, token: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server on a free port and wait for its answer; return the process and the address."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "jupyter",
        "lab",
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
    ]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    server = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/api?token={token}").close()
            return server, address
        except OSError:
            time.sleep(0.5)
    server.kill()
    raise TimeoutError(f"JupyterLab did not answer on {address} within 60 s")


def run_all(page: Page, word: str, picture: pathlib.Path, done: pathlib.Path | None, seconds: float) -> None:
    """Run all cells and save; take a picture while the cell with the word runs, and one at the end."""
    page.click("text=Run >> nth=0")
    page.click("text=Run All Cells")
    live = page.locator(".jp-CodeCell", has_text=word).filter(has=page.locator(".jp-OutputArea-output img")).last
    live.wait_for(timeout=1000 * seconds)
    live.locator(".jp-OutputArea").scroll_into_view_if_needed()
    page.wait_for_timeout(3000)
    page.screenshot(path=picture)
    end = time.monotonic() + seconds
    idle = 0
    while idle < 5:
        page.wait_for_timeout(1000)
        idle = idle + 1 if page.locator("text=| Idle").count() else 0
        if time.monotonic() > end:
            raise TimeoutError(f"the cells did not end within {seconds:g} s")
    live.locator(".jp-OutputArea").scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    if done is not None:
        page.screenshot(path=done)
    page.keyboard.press("Control+s")
    page.wait_for_timeout(3000)


def check(notebook: pathlib.Path) -> int:
    """Return how many code cells ran; raise where one failed or did not run."""
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    for i, cell in enumerate(cells, 1):
        errors = [output["ename"] for output in cell["outputs"] if output["output_type"] == "error"]
        if errors or not cell["execution_count"]:
            raise RuntimeError(f"code cell {i} {'failed: ' + errors[0] if errors else 'did not run'}")
    return len(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook", type=pathlib.Path)
    parser.add_argument("word", help="stands in the code of the cell whose output is shown")
    parser.add_argument("picture", type=pathlib.Path)
    parser.add_argument("--done", type=pathlib.Path, help="a second picture, of the page at the end")
    parser.add_argument("--theme", default="JupyterLab Light", help="or 'JupyterLab Dark'")
    parser.add_argument("--seconds", type=float, default=300, help="for all cells")
    arguments = parser.parse_args()
    if CHROMIUM is None:
        parser.error("no Chromium was found on the path")
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as folder:
        notebook = pathlib.Path(shutil.copy(arguments.notebook, folder))
        settings = pathlib.Path(folder, ".settings")
        for plugin, content in (
            ("apputils-extension/themes", {"theme": arguments.theme}),
            ("apputils-extension/notification", {"fetchNews": "false"}),
            ("notebook-extension/tracker", {"windowingMode": "none"}),
        ):
            file = settings / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(content))
        os.environ["JUPYTERLAB_SETTINGS_DIR"] = str(settings)
        server, address = start_jupyterlab(folder, token)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1200, "height": 1000})
                page.goto(f"{address}/lab/tree/{arguments.notebook.name}?reset&token={token}")
                page.wait_for_selector(".jp-CodeCell", timeout=60_000)
                page.wait_for_selector("text=Python 3 (ipykernel) >> nth=0", timeout=60_000)
                page.keyboard.press("Control+b")
                run_all(page, arguments.word, arguments.picture, arguments.done, arguments.seconds)
                browser.close()
        finally:
            server.terminate()
            server.wait()
        print(f"{check(notebook)} code cells ran")


if __name__ == "__main__":
    main()
