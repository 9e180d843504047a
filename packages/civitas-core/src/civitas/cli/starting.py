"""`civitas init`."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

from civitas.cli.failures import Refused
from civitas.errors import ConfigurationError
from civitas.process.options import check_name

__all__ = ["write_project"]

# The templates end in .txt so that nothing takes them for code of this package.
_FILES = ("topology.yaml", "my_agents.py", "README.md")


def write_project(folder: Path, name: str | None) -> None:
    """Write a small project into a new or empty folder.

    Args:
        folder: Where; made if it is not there.
        name: Name of the system; that of the folder when None.
    Raises:
        Refused: The folder is not empty, cannot be written, or the name cannot be one.
    """
    name = _checked(name, folder)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Refused(
                f"{str(folder)!r} is {'not empty' if folder.is_dir() else 'a file'}; "
                "name a new or empty folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for file in _FILES:
            text = (
                files("civitas.cli").joinpath("project", f"{file}.txt").read_text(encoding="utf-8")
            )
            # "x": what somebody else wrote a moment ago is not overwritten.
            with (folder / file).open("x", encoding="utf-8") as stream:
                stream.write(_named(text, name))
    except OSError as error:
        raise Refused(f"{error.filename or str(folder)!r}: {error.strerror}") from error
    topology = folder / "topology.yaml"
    print(f"{folder}: wrote {', '.join(_FILES)}")
    print(f"next: civitas run {topology}")


def _checked(name: str | None, folder: Path) -> str:
    try:
        return check_name(folder.resolve().name if name is None else name, "the name of a system")
    except ConfigurationError as error:
        hint = "" if name is not None else "; choose another with --name, or rename the folder"
        raise Refused(f"{error}{hint}") from None


def _named(text: str, name: str) -> str:
    """The template, with the name of the system in place of its own."""
    plain = re.fullmatch(r"[A-Za-z][\w.-]*", name) and name.lower() not in ("true", "false", "null")
    text = text.replace("name: hello\n", f"name: {name if plain else json.dumps(name)}\n")
    return text.replace("# hello\n", f"# {name}\n")
