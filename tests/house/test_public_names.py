"""What the packages promise by name. A name goes or comes here only on purpose."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.house.project import PACKAGES, ROOT, exported, public_modules, sources

FROZEN = Path(__file__).parent / "public_names"
DOORS = {
    "civitas": sources("civitas-core") / "__init__.py",
    "civitas.errors": sources("civitas-core") / "errors" / "__init__.py",
    "civitas.events": sources("civitas-core") / "events.py",
    "civitas.testing": sources("civitas-core") / "testing" / "__init__.py",
    **{
        module: sources(package) / "__init__.py"
        for package, module in PACKAGES.items()
        if package != "civitas-core"
    },
}


@pytest.mark.parametrize("module", public_modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_public_module_lists_its_names(module):
    if module.name == "__main__.py":
        pytest.skip("run, never imported")
    assert exported(module) is not None, f"{module.relative_to(ROOT)} has no __all__"


@pytest.mark.parametrize("door", DOORS)
def test_public_names_are_the_frozen_ones(door):
    now = sorted(exported(DOORS[door]) or [])
    frozen = (FROZEN / f"{door}.txt").read_text().split()
    assert now == frozen, (
        f"the public names of {door} changed: if that is meant, change tests/house/public_names/"
        f"{door}.txt, the docs and the changelog with it"
    )


def test_every_public_name_of_the_core_can_be_imported():
    civitas = importlib.import_module("civitas")
    missing = [name for name in civitas.__all__ if not hasattr(civitas, name)]
    assert missing == []


def test_every_error_is_importable_from_civitas_too():
    civitas = importlib.import_module("civitas")
    assert set(importlib.import_module("civitas.errors").__all__) - set(civitas.__all__) == set()
