"""How the house is cut: small files, and parts instead of ancestors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.project import PACKAGES, nodes, sources, text_of

MOST_LINES = 400
"""A longer file is two things."""


def files() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sources(package).rglob("*.py")


def classes(room: Path) -> Iterator[tuple[Path, ast.ClassDef]]:
    for path in room.rglob("*.py"):
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                yield path, node


def is_protocol(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)


def test_no_file_is_so_long_that_it_is_two():
    long = {"/".join(path.parts[-2:]) for path in files() if text_of(path).count("\n") > MOST_LINES}
    assert long == set()


def test_a_class_of_the_cluster_has_one_base_at_most_beside_protocols():
    cluster = sources("civitas-core") / "cluster"
    several = [
        f"{path.name}: {node.name}"
        for path, node in classes(cluster)
        if len(node.bases) > 1 and not is_protocol(node)
    ]
    assert several == []


def test_no_node_descends_from_another_of_the_cluster():
    """A root and a member have parts; what they have in common is a part, too."""
    own = {node.name: node for _, node in classes(sources("civitas-core") / "cluster")}

    def ancestors(node: ast.ClassDef) -> list[str]:
        names = [base.id for base in node.bases if isinstance(base, ast.Name)]
        return [name for name in names if name in own and not is_protocol(own[name])]

    assert {name for name, node in own.items() if ancestors(node)} <= {"RemotePool"}
