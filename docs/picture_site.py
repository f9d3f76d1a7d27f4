"""Take pictures of the built site: five pages, in the light and the dark theme, on a desktop and on a phone.

``make docs`` first; then ``python docs/picture_site.py docs/pictures/site`` writes 20 pictures. A search that finds
nothing is an error. It needs ``pip install playwright`` and a Chromium on the path.
"""

import argparse
import functools
import http.server
import pathlib
import shutil
import threading

from playwright.sync_api import sync_playwright

SITE = pathlib.Path(__file__).resolve().parent / "_build" / "html"
PAGES = {
    "start": "index.html",
    "tutorial": "tutorials/05_the_convnet.html#filters-before-and-after",
    "reference": "reference/autograd_nn.nn-convolution.html",
    "pictures": "guides/pictures.html#where-are-the-borders",
    "search": "search.html?q=conv",
}
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
SCROLL = "place => document.getElementById(place).scrollIntoView({behavior: 'instant'})"
SEARCHES = ("learning rate", "conv", "resume")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=SITE)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for theme in ("light", "dark"):
            for device, (width, height) in SIZES.items():
                context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
                page = context.new_page()
                for name, path in PAGES.items():
                    page.goto(f"{address}/{path}")
                    if name == "search":
                        page.wait_for_selector("ul.search li")
                    _, _, place = path.partition("#")
                    if place:  # once more, as images that load move it
                        page.wait_for_load_state("networkidle")
                        page.evaluate(SCROLL, place)
                    page.wait_for_timeout(1500)
                    page.screenshot(path=folder / f"{name}_{device}_{theme}.jpg", type="jpeg", quality=50)
                    wide = page.evaluate("document.documentElement.scrollWidth")
                    if wide > width:
                        print(f"{name} on a {device}: {wide} pixels wide, the window has {width}")
                context.close()
        page = browser.new_page()
        for words in SEARCHES:
            page.goto(f"{address}/search.html?q={words.replace(' ', '+')}")
            page.wait_for_selector("ul.search li", timeout=20_000)
            page.wait_for_timeout(1000)
            print(f"search for {words!r}: {page.locator('ul.search > li').count()} pages")
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main()
