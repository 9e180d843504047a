"""`WatchedFiles`: those whose change starts a topology again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["Stamps", "WatchedFiles", "read_report"]

Stamps = dict[Path, tuple[int, int]]
"""When each file was written last, and its size."""

_LOOK = 0.2
_SHARE = 10
_LEFT_OUT = ("__pycache__", "node_modules", "site-packages")


class WatchedFiles:
    """A topology, the modules in its folder, and those that it imports, wherever they are.

    Args:
        topology: The topology.

    Attributes:
        pause: Seconds until the next look; so long that a tenth of a processor is enough for any number of files.
    """

    def __init__(self, topology: Path) -> None:
        self._topology = topology
        self._imported: tuple[Path, ...] = ()
        self.pause = _LOOK

    def follow(self, imported: Iterable[Path]) -> None:
        """WatchedFiles these from now on, in the place of those imported before."""
        self._imported = tuple(imported)

    def look(self) -> Stamps:
        """The files as they are now."""
        began = time.process_time()
        found: Stamps = {}
        for path in (self._topology, *self._imported, *_below(self._topology.resolve().parent)):
            try:
                stat = path.stat()
            except OSError:
                continue  # it is being replaced
            found[path.absolute()] = (stat.st_mtime_ns, stat.st_size)
        self.pause = max(_LOOK, _SHARE * (time.process_time() - began))
        return found

    def since(self, seen: Stamps) -> Stamps:
        """What was seen before, for the files that are watched now: what changed since will be a change."""
        now = self.look()
        gone = {path: seen[path] for path in seen.keys() - now.keys() if not path.exists()}
        return {path: seen.get(path, stamp) for path, stamp in now.items()} | gone


def read_report(file: Path) -> list[Path]:
    """The modules that a report names; none if there is no report, as the code ended its program."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return list({Path(each): None for line in lines for each in json.loads(line)})


def _below(folder: Path) -> Iterator[Path]:
    """The modules in a folder, but for what is hidden or installed."""
    for above, folders, files in os.walk(folder):
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        folders[:] = [each for each in folders if each[:1] != "." and each not in _LEFT_OUT]
        yield from (Path(above, each) for each in files if each.endswith(".py"))
