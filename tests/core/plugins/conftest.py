"""One environment for all tests of the sample plugins: each of its interpreters finds all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.plugins.samples import SAMPLES, environment

BROKEN = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "civitas-broken"
version = "0.9.0"

[project.entry-points.civitas]
broken = "civitas_broken.plugin"
""",
    "civitas_broken/__init__.py": "",
    "civitas_broken/plugin.py": "raise RuntimeError('no luck')\n",
}


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has every sample, and a plugin that cannot be loaded."""
    place = tmp_path_factory.mktemp("samples")
    broken = place / "broken"
    for name, text in BROKEN.items():
        file = broken / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return environment(place, *SAMPLES, broken)
