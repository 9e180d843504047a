"""Pages of the API, from the docstrings of the public names; it reads the code and imports none of it.

What is public stands in `tests/house/public_names/`: a file for each module that people import from.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from pathlib import Path

import griffe

from website.entries import entry
from website.signatures import real

__all__ = ["api_pages"]

# The title of each page, and the page of the docs that says how it is used.
ROOMS = {
    "runtime": ("The runtime", "reference/runtime"),
    "process": ("Agents", "guides/agents"),
    "supervision": ("Supervisors", "guides/supervision"),
    "message": ("Messages", "guides/agents"),
    "frameworks": ("Graphs, agents and crews", "reference/adapters"),
    "tools": ("Tools", "guides/tools"),
    "models": ("Models", "guides/tools"),
    "state": ("State stores", "guides/state"),
    "runs": ("Runs", "guides/runs"),
    "node": ("What a system tells", "reference/runtime"),
    "plugins": ("Plugins", "guides/plugins"),
}
DOORS = {
    "civitas.errors": ("Errors", "reference/errors"),
    "civitas.events": ("Events", "reference/runtime"),
    "civitas.testing": ("Testing", "guides/plugins"),
}


def api_pages(root: Path) -> dict[str, str]:
    """Each page of the API, by its file name."""
    doors = {
        file.stem: file.read_text().split()
        for file in sorted((root / "tests" / "house" / "public_names").glob("*.txt"))
    }
    loader = griffe.GriffeLoader(
        search_paths=sorted((root / "packages").glob("*/src")), docstring_parser="google"
    )
    for package in sorted({door.partition(".")[0] for door in doors}):
        loader.load(package)
    loader.resolve_aliases()
    public = {name for names in doors.values() for name in names}
    pages = {}
    contents = []
    for name, (title, guide), module, names in _divided(loader, doors):
        found = [real(loader.modules_collection[f"{module}.{each}"]) for each in names]
        pages[f"{name}.md"] = _page(title, guide, module, found, public)
        contents.append(_contents(name, title, module, found))
    pages["index.md"] = _INDEX + "".join(contents) + _toctree(pages)
    return pages


_INDEX = """# API

Every public name, from its docstring. What is not here may change in any release.

"""


def _divided(
    loader: griffe.GriffeLoader, doors: dict[str, list[str]]
) -> Iterator[tuple[str, tuple[str, str], str, list[str]]]:
    """File name, title and guide, module and names of each page: `civitas` has one for each room of the core."""
    elsewhere = {name for door in DOORS for name in doors[door]}
    rooms: dict[str, list[str]] = {}
    for name in doors["civitas"]:
        if name not in elsewhere:
            path = str(loader.modules_collection[f"civitas.{name}"].canonical_path)
            rooms.setdefault(path.split(".")[1], []).append(name)
    for room in sorted(rooms, key=[*ROOMS, *sorted(rooms)].index):
        yield room, ROOMS.get(room, (room.capitalize(), "")), "civitas", rooms[room]
    for door, about in DOORS.items():
        yield door.partition(".")[2], about, door, doors[door]
    for door, names in doors.items():
        if "." not in door and door != "civitas":
            framework = door.removeprefix("civitas_").replace("_", "-")
            yield door, (f"`{door}`", f"guides/{framework}"), door, names


def _page(
    title: str, guide: str, module: str, found: list[griffe.Object], public: Container[str]
) -> str:
    exported = _exported(module)
    used = f" How it is used: [](../../{guide}.md)." if guide else ""
    parts = [
        f"# {title}\n",
        f"```{{py:currentmodule}} {exported}\n```\n",
        f"Import from `{exported}`.{used}\n",
    ]
    parts += [entry(each, public) for each in _in_order(found)]
    return "\n".join(parts)


def _contents(name: str, title: str, module: str, found: list[griffe.Object]) -> str:
    exported = _exported(module)
    rows = "".join(
        f"| {{py:obj}}`{each.name} <{exported}.{each.name}>` | {_summary(each)} |\n"
        for each in _in_order(found)
    )
    return f"## [{title}]({name}.md)\n\n| in `{exported}` | what it is |\n|---|---|\n{rows}\n"


def _exported(module: str) -> str:
    return "civitas" if module == "civitas.errors" else module


def _in_order(found: list[griffe.Object]) -> list[griffe.Object]:
    return sorted(found, key=lambda each: (each.is_function, each.name.lower()))


def _summary(each: griffe.Object) -> str:
    text = each.docstring.value if each.docstring else ""
    first = " ".join(text.split("\n\n")[0].split())
    return first.rstrip(":").replace("|", "\\|")


def _toctree(pages: Iterable[str]) -> str:
    names = "\n".join(page.removesuffix(".md") for page in pages)
    return f"\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
