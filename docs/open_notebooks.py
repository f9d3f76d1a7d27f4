"""Open notebooks in JupyterLab, in a real browser: run all cells, move every slider, keep a picture of the last one.

``python docs/open_notebooks.py docs/pictures/notebooks`` opens all of them, light and dark in turn; names of notebooks
after the folder open only those. A cell that fails is an error, and so is a slider that changes nothing. It needs
``pip install -e '.[notebooks]' playwright pillow`` and a Chromium on the path.
"""

import argparse
import io
import json
import os
import pathlib
import secrets
import shutil
import tempfile
import time

from make_screenshot import CHROMIUM, check, start_jupyterlab
from PIL import Image
from playwright.sync_api import Page, sync_playwright

NOTEBOOKS = pathlib.Path(__file__).resolve().parent.parent / "notebooks"
THEMES = "JupyterLab Light", "JupyterLab Dark"


def run_all(page: Page, seconds: float) -> None:
    """Run all cells, and wait for the kernel to be idle for three seconds."""
    page.click("text=Run >> nth=0")
    page.click("text=Run All Cells")
    end, idle = time.monotonic() + seconds, 0
    while idle < 3:
        page.wait_for_timeout(1000)
        busy = page.locator(".jp-InputPrompt", has_text="[*]").count()
        idle = 0 if busy or not page.locator("text=| Idle").count() else idle + 1
        if time.monotonic() > end:
            raise TimeoutError(f"the cells did not end within {seconds:g} s")


def move_sliders(page: Page) -> int:
    """Move each slider by one value, and see that the number beside it and its picture change."""
    sliders = page.locator(".widget-vbox", has=page.locator(".noUi-handle"))
    for i in range(sliders.count()):
        box = sliders.nth(i)
        picture = box.locator("img")
        box.scroll_into_view_if_needed()
        handle, number = box.locator(".noUi-handle"), box.locator(".widget-readout")
        value, shown = number.inner_text(), picture.get_attribute("src")
        handle.focus()
        for key in ("ArrowRight", "ArrowLeft"):  # at the end of the scale the first does nothing
            if number.inner_text() == value:
                handle.press(key)
                page.wait_for_timeout(2000)
        end = time.monotonic() + 120  # what is drawn may be computed first
        while number.inner_text() == value or picture.get_attribute("src") == shown:
            if time.monotonic() > end:
                raise RuntimeError(f"slider {i + 1} changes nothing (from {value} to {number.inner_text()})")
            page.wait_for_timeout(500)
    return sliders.count()


def keep(page: Page, path: pathlib.Path) -> None:
    """Take a picture in few colours, so that it is small."""
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    for colours in (128, 64, 32, 16):
        image.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size < 60_000:
            break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=pathlib.Path)
    parser.add_argument("names", nargs="*", help="such as 05_the_convnet; all by default")
    parser.add_argument("--seconds", type=float, default=600, help="for the cells of one notebook")
    arguments = parser.parse_args()
    if CHROMIUM is None:
        parser.error("no Chromium was found on the path")
    every = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    arguments.pictures.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(NOTEBOOKS, folder, dirs_exist_ok=True)
        settings = pathlib.Path(folder, ".settings")
        os.environ["JUPYTERLAB_SETTINGS_DIR"] = str(settings)
        for name in arguments.names or every:
            for plugin, content in (
                ("apputils-extension/themes", {"theme": THEMES[every.index(name) % 2]}),
                ("apputils-extension/notification", {"fetchNews": "false"}),
                ("notebook-extension/tracker", {"windowingMode": "none"}),
            ):
                file = settings / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(content))
            server, address = start_jupyterlab(folder, token)
            started = time.monotonic()
            try:
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                    page = browser.new_page(viewport={"width": 1000, "height": 760})
                    page.goto(f"{address}/lab/tree/{name}.ipynb?reset&token={token}")
                    page.wait_for_selector(".jp-CodeCell", timeout=120_000)
                    page.wait_for_selector("text=Python 3 (ipykernel) >> nth=0", timeout=120_000)
                    page.keyboard.press("Control+b")
                    run_all(page, arguments.seconds)
                    sliders = move_sliders(page)
                    if not sliders:
                        page.locator(".jp-OutputArea-output img").last.scroll_into_view_if_needed()
                    page.wait_for_timeout(1000)
                    keep(page, arguments.pictures / f"{name}.png")
                    page.keyboard.press("Control+s")
                    page.wait_for_timeout(3000)
                    browser.close()
            finally:
                server.terminate()
                server.wait()
            cells = check(pathlib.Path(folder, f"{name}.ipynb"))
            print(f"{name}: {cells} cells, {sliders} sliders, {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
