"""Where the programs of Debian's packages are that `scripts/servers.sh` unpacks where the machine lacks them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from tests.house.project import ROOT

__all__ = ["do_without", "library_path", "program"]

UNPACKED = ROOT / ".tools" / "servers"


def program(name: str) -> str:
    """The path of a program; without it, the test is skipped, or fails where `CIVITAS_SERVERS` says ``required``."""
    places = [UNPACKED / "usr" / "bin", *_folders(Path("/")), *_folders(UNPACKED)]
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, places)])
    found = shutil.which(name, path=path)
    if found is None:
        do_without(f"no {name} here; scripts/servers.sh gets it where there are Debian's packages")
    return found


def do_without(reason: str) -> NoReturn:
    """Skip the test, or let it fail where `CIVITAS_SERVERS` says ``required``."""
    if os.environ.get("CIVITAS_SERVERS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


def library_path() -> dict[str, str]:
    """What the environment of such a program says, so that it finds the libraries that came with it."""
    folders = [str(each) for each in UNPACKED.glob("usr/lib/*-linux-gnu*")]
    return {"LD_LIBRARY_PATH": os.pathsep.join(folders)} if folders else {}


def _folders(root: Path) -> list[Path]:
    return sorted(root.glob("usr/lib/postgresql/*/bin"), reverse=True)
