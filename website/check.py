"""Looks at the pages that were built: every link leads somewhere, and nothing is loaded from another place."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["problems"]

_LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "srcset"}


class _Page(HTMLParser):
    """What a page links to, what it loads, and the ids that may be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what is of interest."""
        values = dict(attrs)
        self.ids |= {value for key in ("id", "name") if (value := values.get(key))}
        if tag == "a" and (link := values.get("href")):
            self.links.add(link)
        if (load := values.get(_LOADS.get(tag, ""))) is not None:
            self.loads.add(load)


def problems(site: Path) -> list[str]:
    """Each link or source that is wrong, with its page."""
    pages = {path: _Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site)
        found += [f"{name}: loads {each}" for each in sorted(page.loads) if urlsplit(each).netloc]
        for link in sorted(page.links | page.loads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages.get(goal)
            anchor = unquote(parts.fragment)
            if not goal.is_file() or (anchor and known is not None and anchor not in known.ids):
                found.append(f"{name}: {link}")
    return found
