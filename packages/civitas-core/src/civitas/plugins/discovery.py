"""Installed plugins, by the entry-point group ``civitas``."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from civitas.plugins.check import described

__all__ = ["GROUP", "InstalledPlugin", "installed"]

logger = logging.getLogger("civitas")

GROUP = "civitas"
"""The entry-point group that plugins are found by."""


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """One entry point, loaded.

    Attributes:
        name: Of the entry point.
        source: Distribution and version.
        plugin: What it loaded; None if that failed.
        error: Why it could not be loaded, or None.
    """

    name: str
    source: str
    plugin: Any
    error: str | None = None


def installed() -> tuple[InstalledPlugin, ...]:
    """Load every installed plugin; one that cannot be loaded is logged, once, and returned with its error."""
    return _installed(tuple(sys.path))


# Reading what is installed takes tens of milliseconds in a large environment: once for each path is enough.
@lru_cache(maxsize=4)
def _installed(path: tuple[str, ...]) -> tuple[InstalledPlugin, ...]:
    from importlib.metadata import entry_points

    found = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        distribution = entry.dist
        source = f"{distribution.name} {distribution.version}" if distribution else entry.value
        try:
            found.append(InstalledPlugin(entry.name, source, entry.load()))
        except KeyboardInterrupt:
            raise
        # A plugin is anybody's code: whatever its import does, the runtime of somebody else must start. Libraries that
        # are written in Rust raise a BaseException of their own.
        except BaseException as error:
            reason = f"{entry.value} cannot be loaded: {described(error)}"
            logger.warning("plugin %r (from %s): %s; it is left out", entry.name, source, reason)
            found.append(InstalledPlugin(entry.name, source, None, reason))
    return tuple(found)
