"""Looks at the pages that were built: every link leads somewhere, and nothing is loaded from another place."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["problems"]

_PAGE_LINKS = {"a", "area"}
_LOADS = {"src", "poster", "data"}
"""What a browser fetches by itself, whatever the element."""
_IN_CSS = re.compile(
    r"""@import\s+(?:url\(\s*)?["']?([^"')\s;]+)|url\(\s*(?:"([^"]*)"|'([^']*)'|([^"')\s]+))\s*\)"""
)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


class _Page(HTMLParser):
    """What a page links to, what it loads, and the ids that may be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what is of interest."""
        values = {key: value for key, value in attrs if value is not None}
        self._in_style = tag == "style"
        self.ids |= {value for key in ("id", "name") if (value := values.get(key))}
        if (link := values.get("href")) is not None:
            (self.links if tag in _PAGE_LINKS else self.loads).add(link)
        self.loads |= {value for key in _LOADS if (value := values.get(key))}
        self.loads |= {
            words[0] for each in values.get("srcset", "").split(",") if (words := each.split())
        }
        self.loads |= _loads_of(values.get("style", ""))

    def handle_endtag(self, _tag: str) -> None:
        """A style ends with its element."""
        self._in_style = False

    def handle_data(self, data: str) -> None:
        """Note what a style loads."""
        if self._in_style:
            self.loads |= _loads_of(data)


def problems(site: Path) -> list[str]:
    """Each link or source that is wrong, with its page or style."""
    site = site.resolve()
    pages = {path: _Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        found += _foreign(path, page.loads, site)
        for link in sorted(page.links | page.loads):
            goal = _goal(path, link)
            known = pages.get(goal) if goal else None
            anchor = unquote(urlsplit(link).fragment)
            missing = anchor and known is not None and anchor not in known.ids
            if goal and (missing or not _is_there(goal, site)):
                found.append(f"{path.relative_to(site)}: {link}")
    for path in sorted(site.rglob("*.css")):
        loads = _loads_of(path.read_text())
        found += _foreign(path, loads, site)
        found += [
            f"{path.relative_to(site)}: {each}"
            for each in sorted(loads)
            if (goal := _goal(path, each)) and not _is_there(goal, site)
        ]
    return found


def _loads_of(style: str) -> set[str]:
    """What a style has a browser fetch."""
    return {"".join(match) for match in _IN_CSS.findall(_COMMENT.sub("", style))} - {""}


def _foreign(path: Path, loads: set[str], site: Path) -> list[str]:
    """Those that come from another place."""
    name = path.relative_to(site)
    return [f"{name}: loads {each}" for each in sorted(loads) if urlsplit(each).netloc]


def _goal(path: Path, link: str) -> Path | None:
    """The file that a link of a page or style means; None if that is in another place, or in the link itself."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    return (path.parent / unquote(parts.path)).resolve() if parts.path else path


def _is_there(goal: Path, site: Path) -> bool:
    """Whether it is published: a file beside the site is there only on this machine."""
    return goal.is_file() and goal.is_relative_to(site)
