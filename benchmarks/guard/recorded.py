"""What everything cost when it was written down, for each version of Python, and how much it varies by itself."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["FILE", "Recorded", "forgotten", "pythons", "read", "worse", "write"]

FILE = Path(__file__).with_name("recorded.json")


@dataclass(frozen=True)
class Recorded:
    """A figure; less is better.

    Attributes:
        figure: What it was.
        noise: The share of it by which it varied while it was recorded, and a little more.
    """

    figure: float
    noise: float

    @property
    def most(self) -> float:
        """What it may be."""
        return self.figure * (1 + self.noise)


def pythons(file: Path = FILE) -> tuple[str, list[str]]:
    """The version of this Python, and those for which there are figures."""
    return _python(), list(_all(file))


def _all(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def read(file: Path = FILE) -> dict[str, Recorded]:
    """The figures for this Python; empty if there are none."""
    return {what: Recorded(**each) for what, each in _all(file).get(_python(), {}).items()}


def write(figures: Mapping[str, Recorded], file: Path = FILE) -> None:
    """Put down the figures for this Python."""
    found = _all(file)
    found[_python()] = {what: asdict(each) for what, each in figures.items()}
    file.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")


def worse(figures: Mapping[str, float], recorded: Mapping[str, Recorded]) -> dict[str, str]:
    """What became dearer than its noise, with a sentence for each; also what nobody has written down."""
    found = {}
    for what, figure in figures.items():
        if what not in recorded:
            found[what] = f"{what}: {figure:.4g}, and no figure is recorded for it"
        elif figure > recorded[what].most:
            was = recorded[what]
            found[what] = (
                f"{what}: {figure:.4g}, recorded were {was.figure:.4g} with a noise of {was.noise:.1%}"
            )
    return found


def forgotten(measured: Iterable[str], recorded: Mapping[str, Recorded]) -> dict[str, str]:
    """What is recorded and no longer measured, with a sentence for each."""
    return {
        what: f"{what}: a figure is recorded, and nothing measures it any more"
        for what in recorded
        if what not in set(measured)
    }
