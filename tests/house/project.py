"""Where things are in this repository, for the tests that look at it as a whole."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "civitas-core": "civitas",
    "civitas-langgraph": "civitas_langgraph",
    "civitas-openai": "civitas_openai",
    "civitas-crewai": "civitas_crewai",
    "civitas-pydantic-ai": "civitas_pydantic_ai",
}


def manifest(package: str) -> dict[str, Any]:
    """The `pyproject.toml` of a package."""
    return tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text())


def sources(package: str) -> Path:
    """The folder of the package's modules."""
    return ROOT / "packages" / package / "src" / PACKAGES[package]


def public_modules() -> list[Path]:
    """Every module of the packages with no underscore in its path.

    Not the demo's team: it stands for code of a user, written without Civitas in mind.
    """
    return sorted(
        path
        for package in PACKAGES
        for path in sources(package).rglob("*.py")
        if not any(
            part.startswith("_") and part != "__init__.py"
            for part in path.relative_to(sources(package)).parts
        )
        and "demo/team" not in path.as_posix()
    )


@cache
def text_of(file: Path) -> str:
    """What stands in a file, which is read once for all tests."""
    return file.read_text()


@cache
def syntax(module: Path) -> ast.Module:
    """The syntax tree of a module, which is made once for all tests."""
    return ast.parse(text_of(module))


@cache
def nodes(module: Path) -> tuple[ast.AST, ...]:
    """Every node of that tree."""
    return tuple(ast.walk(syntax(module)))


def exported(module: Path) -> list[str] | None:
    """What a module lists in `__all__`, without importing it; None where it has none."""
    for node in syntax(module).body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="__all__")], value=value)
                | ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.expr() as value)
            ):
                return list(ast.literal_eval(value))
    return None


def tracked_files() -> list[Path]:
    """Every file that git keeps, but those deleted in the work tree."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]
