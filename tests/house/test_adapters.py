"""The adapters are of one shape, and use only what the core offers them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.project import PACKAGES, ROOT, nodes, sources, syntax

ADAPTERS = [name for name in PACKAGES if name != "civitas-core"]
SECTION = (ROOT / "docs" / "architecture.md").read_text().split("## The shape of an adapter")[1]
# Name of a module, how many of the adapters have it, and the word that the first line of each is about.
SHAPE = {
    name: (there, word)
    for name, there, word in re.findall(
        r"^\| `(\w+)` \| (all|some) \| .*\*(\w+)\*.* \|$", SECTION, re.MULTILINE
    )
}


def modules(package: str) -> dict[str, Path]:
    return {path.stem: path for path in sources(package).glob("*.py") if path.stem != "__init__"}


def parts(package: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node of the package's syntax trees, with the name of its file."""
    for path in sources(package).rglob("*.py"):
        for node in nodes(path):
            yield path.name, node


def privates(*places: str) -> set[str]:
    """The private names that the classes in these modules of the core define."""
    found: set[str] = set()
    for place in places:
        for node in nodes(sources("civitas-core") / place):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
    return {name for name in found if name.startswith("_") and not name.endswith("__")}


@pytest.mark.parametrize("package", ADAPTERS)
def test_an_adapter_has_the_modules_that_all_have(package: str) -> None:
    common = {name for name, (there, _) in SHAPE.items() if there == "all"}
    assert len(common) >= 10
    assert common - set(modules(package)) == set()


def test_a_name_that_two_adapters_use_is_one_of_the_shape() -> None:
    names = [name for package in ADAPTERS for name in modules(package)]
    assert {name for name in names if names.count(name) > 1} - set(SHAPE) == set()


@pytest.mark.parametrize("package", ADAPTERS)
def test_a_module_of_the_shape_is_about_what_the_shape_says(package: str) -> None:
    strange = []
    for name, path in modules(package).items():
        about = (ast.get_docstring(syntax(path)) or "").split("\n\n")[0]
        if name in SHAPE and SHAPE[name][1].lower() not in about.lower():
            strange.append(f"{path.relative_to(ROOT)} says nothing of {SHAPE[name][1]!r}")
    assert strange == []


@pytest.mark.parametrize("package", ADAPTERS)
def test_an_adapter_imports_no_other_and_nothing_private(package: str) -> None:
    reached = []
    for place, node in parts(package):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{each.name}" for each in node.names]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        else:
            continue
        for name in names:
            top, *below = name.split(".")
            private = top == "civitas" and any(part.startswith("_") for part in below)
            other = top.startswith("civitas_") and top != PACKAGES[package]
            if private or other:
                reached.append(f"{place}: {name}")
    assert reached == []


@pytest.mark.parametrize("package", ADAPTERS)
def test_an_adapter_uses_no_private_part_of_the_core(package: str) -> None:
    of_agents = privates("process/agent.py", "frameworks/base.py", "frameworks/wrapped.py")
    of_runs = privates("frameworks/run.py", "frameworks/spans.py", "frameworks/calls.py")
    reached = []
    for place, node in parts(package):
        if not isinstance(node, ast.Attribute):
            continue
        inherited = place == "agent.py" and node.attr in of_agents
        own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        if (
            node.attr.startswith("_civitas_")
            or inherited
            or (not own and node.attr in of_agents | of_runs)
        ):
            reached.append(f"{place}:{node.lineno}: {ast.unparse(node)}")
    assert reached == []
