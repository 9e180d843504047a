"""Puts the pages of the site together: the Markdown of this repository, the examples, and the API."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from website.api import api_pages
from website.pages import (
    PICTURES,
    example_of,
    navigation,
    places_of,
    target_at,
    toctrees,
    with_links,
)

__all__ = ["stage"]

_LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".md": "markdown", ".json": "json"}
_API = "<!-- api -->"


def stage(root: Path, files: Sequence[str], out: Path) -> list[str]:
    """Writes the pages below `out`.

    Returns:
        The links that lead nowhere, each with its page.
    """
    places = places_of(files)
    broken: list[str] = []
    copied: set[str] = set()
    pages: dict[str, str] = {}

    def exists(goal: str) -> bool:
        return (root / goal).is_file() or (goal.startswith("examples/") and (root / goal).is_dir())

    def moved(file: str) -> str:
        def target_of(target: str) -> str:
            found = target_at(file, target, places, exists)
            if found is None:
                broken.append(f"{file}: {target}")
                return target
            if found[1] is not None:
                copied.add(found[1])
            return found[0]

        return with_links((root / file).read_text(), target_of)

    for file, place in places.items():
        if (root / file).is_file():
            pages[place] = moved(file)
    for name in sorted({name for file in files if (name := example_of(file))}):
        page = pages.get(f"examples/{name}.md", f"# {name}\n")
        pages[f"examples/{name}.md"] = page + _listing(
            root, [each for each in files if example_of(each) == name]
        )
    for place, text in api_pages(root).items():
        pages[f"reference/api/{place}"] = text
    pages["examples/index.md"] += toctrees({"": _in_order(pages)})
    index = pages["index.md"].replace(
        _API, "- [API](reference/api/index.md): every public name, from its docstring"
    )
    pages["index.md"] = index + toctrees(navigation(index))

    for place, text in pages.items():
        _write(out / place, text.encode())
    for name in copied:
        inside = root / "docs" / name
        _write(out / name, (inside if inside.is_file() else root / name).read_bytes())
    kept = {out / name for name in [*pages, *copied]}
    for path in out.rglob("*"):
        if path.is_file() and path not in kept:
            path.unlink()
    return broken


def _in_order(pages: Mapping[str, str]) -> list[str]:
    """The examples, in the order in which their index shows them."""
    names = [place.removeprefix("examples/") for place in pages if place.startswith("examples/")]
    shown = [
        name
        for name in re.findall(r"\]\(([\w-]+\.md)\)", pages["examples/index.md"])
        if name in names
    ]
    return list(dict.fromkeys([*shown, *sorted({*names} - {"index.md"})]))


def _listing(root: Path, files: Iterable[str]) -> str:
    """The files of an example, as they are."""
    text = "\n## Files\n"
    for file in files:
        path = root / file
        if path.name == "README.md" or path.suffix in PICTURES:
            continue
        if content := path.read_text().strip():
            language = _LANGUAGES.get(path.suffix, "text")
            inner = "/".join(Path(file).parts[2:])
            text += f"\n### `{inner}`\n\n````````{language}\n{content}\n````````\n"
    return text


def _write(path: Path, content: bytes) -> None:
    """Only what has changed, so that Sphinx reads only that again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_bytes() != content:
        path.write_bytes(content)
