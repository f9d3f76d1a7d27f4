"""List the links of the built site that lead nowhere: ``python docs/dead_links.py docs/_build/html``."""

import html
import pathlib
import re
import sys
import urllib.parse

LINK = re.compile(r'(?:href|src)="([^"]+)"')
PLACE = re.compile(r'\b(?:id|name)="([^"]+)"')
OUTSIDE = re.compile(r"[a-z]+:|//")


def dead_links(site: pathlib.Path) -> tuple[int, list[str]]:
    """Return how many links inside of a site there are, and those whose file or place does not exist."""
    texts = {path.resolve(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    places = {path: set(PLACE.findall(text)) for path, text in texts.items()}
    links = [(path, html.unescape(link)) for path, text in texts.items() for link in set(LINK.findall(text))]
    links = [(path, link) for path, link in links if not OUTSIDE.match(link)]
    dead = []
    for path, link in links:
        file, _, place = link.partition("#")
        target = (path.parent / urllib.parse.unquote(file.split("?")[0])).resolve() if file else path
        known = places[target] if target in places else {place} if target.exists() else set()
        if not target.exists() or (place and urllib.parse.unquote(place) not in known):
            dead.append(f"{path.relative_to(site.resolve())}: {link}")
    return len(links), dead


if __name__ == "__main__":
    count, dead = dead_links(pathlib.Path(sys.argv[1]))
    print(*dead, f"{count} links, {len(dead)} dead", sep="\n")
    sys.exit(bool(dead or not count))
