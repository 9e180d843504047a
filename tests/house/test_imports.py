"""No module of the packages depends on itself by way of others, not even for a type or within a function."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tests.house.project import PACKAGES, nodes, sources


def modules() -> dict[str, Path]:
    """The file of each module of the packages, by its name."""
    found = {}
    for package in PACKAGES:
        top = sources(package).parent
        for path in sources(package).rglob("*.py"):
            parts = path.relative_to(top).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules that one imports anywhere in its text; a package counts where a name is taken from it."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for each in node.names:
                inner = f"{node.module}.{each.name}"
                yield inner if inner in known else node.module


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """One circle; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def test_no_module_imports_itself_by_way_of_others():
    known = modules()
    graph = {
        name: {each for each in imported(path, known) if each in known and each != name}
        for name, path in known.items()
    }
    assert circle_in(graph) == []


def test_a_circle_is_found(tmp_path):
    for name, text in {
        "a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from b import B",
        "b": "def f():\n    import c",
        "c": "import a",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    known = {name: tmp_path / f"{name}.py" for name in "abc"}
    graph = {name: set(imported(path, known)) & set(known) for name, path in known.items()}
    found = circle_in(graph)
    assert set(found) == {"a", "b", "c"}
    assert found[0] == found[-1]
