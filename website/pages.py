"""Which files of the repository are on the site, where they stand there, and where their links lead then."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath

__all__ = [
    "PICTURES",
    "example_of",
    "navigation",
    "place_of",
    "places_of",
    "target_at",
    "toctrees",
    "with_links",
]

PICTURES = {".png", ".svg", ".jpg", ".gif"}
_FENCED = r"^(?P<fence>`{3,}).*?^(?P=fence)[ \t]*$"
_INLINE = r"(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)"
_CODE_OR_LINK = re.compile(
    rf"{_FENCED}|{_INLINE}|\]\((?P<target>[^)\s]+)\)", re.DOTALL | re.MULTILINE
)


def place_of(file: str) -> str | None:
    """Where a file of the repository stands on the site; None if only a link can bring it there."""
    match PurePosixPath(file).parts:
        case ("docs", "README.md"):
            return "index.md"
        case ("docs", *rest) if file.endswith(".md"):
            return "/".join(rest)
        case ("packages", package, "README.md"):
            return f"packages/{package}.md"
        case ("examples", "README.md"):
            return "examples/index.md"
        case ("examples", example, "README.md"):
            return f"examples/{example}.md"
        case (name,) if name.endswith(".md"):
            return f"project/{name.lower()}"
    return None


def example_of(file: str) -> str | None:
    """The example that a file belongs to: a folder below `examples/`."""
    match PurePosixPath(file).parts:
        case ("examples", example, _, *_):
            return example
    return None


def places_of(files: Iterable[str]) -> dict[str, str]:
    """The place of each page; a folder of an example is a page as well, whether or not it has a README."""
    places = {}
    for file in files:
        if place := place_of(file):
            places[file] = place
        if example := example_of(file):
            places[f"examples/{example}"] = f"examples/{example}.md"
    places["examples"] = "examples/index.md"
    return places


def anchor_of(file: str) -> str:
    """The anchor at which the page of an example shows one of its files; a folder is where the files begin."""
    inner = "/".join(PurePosixPath(file).parts[2:])
    return re.sub(r"[^\w-]", "", inner.lower()) if "." in inner else "files"


def target_at(
    file: str, target: str, places: Mapping[str, str], exists: Callable[[str], bool]
) -> tuple[str, str | None] | None:
    """What a link in `file` becomes on the site, and the file that has to be copied there for it.

    Returns:
        None if the link leads nowhere.
    """
    path, _, anchor = target.partition("#")
    goal = os.path.normpath(PurePosixPath(file).parent / path)
    here = PurePosixPath(places.get(file) or places[str(PurePosixPath(file).parent)])
    copied = None
    if place := places.get(goal):
        pass
    elif not exists(goal):
        return None
    elif (example := example_of(goal)) and PurePosixPath(goal).suffix not in PICTURES:
        place, anchor = f"examples/{example}.md", anchor_of(goal)
    else:
        place = copied = goal.removeprefix("docs/")
    relative = os.path.relpath(place, here.parent)
    return f"{relative}#{anchor}" if anchor else relative, copied


def with_links(text: str, target_of: Callable[[str], str]) -> str:
    """The same Markdown with other targets of its links; code stays as it is."""

    def written(match: re.Match[str]) -> str:
        target = match["target"]
        if target is None or target.startswith("#") or re.match(r"[a-z]+:", target):
            return match[0]
        return f"]({target_of(target)})"

    return _CODE_OR_LINK.sub(written, text)


def navigation(index: str) -> dict[str, list[str]]:
    """The pages that each section of the index links to, each where it comes first.

    A page is named by its own heading; those that are called by their file names, such as README, by the link.
    """
    sections: dict[str, list[str]] = {}
    seen = set()
    for section in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        for label, target in re.findall(r"\[([^\]]+)\]\(([^)\s#:]+)\.md[)#]", text):
            if target not in seen:
                seen.add(target)
                page = f"{label} <{target}>" if target.startswith("project/") else target
                sections.setdefault(heading.strip(), []).append(page)
    return sections


def toctrees(sections: Mapping[str, Iterable[str]]) -> str:
    """The directives that make sections of pages the navigation of the site."""
    return "".join(
        "\n```{toctree}\n:hidden:\n"
        + (f":caption: {caption}\n" if caption else "")
        + "\n".join(["", *pages])
        + "\n```\n"
        for caption, pages in sections.items()
    )
