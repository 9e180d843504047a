"""Names of processes as a tool takes them, each its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from civitas.errors import ConfigurationError

__all__ = ["cut", "distinct"]

_DIGEST = 8


def cut(name: str, longest: int) -> str:
    """The name, or, if it is longer than that, its beginning and a digest of all of it."""
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    return f"{name[: longest - _DIGEST - 1].rstrip('-._')}-{digest}"


def distinct(processes: Iterable[str], fit: Callable[[str], str], tool: str) -> dict[str, str]:
    """By process, its name for a tool.

    Args:
        processes: As the topology names them.
        fit: Makes a name that the tool takes.
        tool: Its name, for the error.

    Raises:
        ConfigurationError: Two of them would have the same one.
    """
    names: dict[str, str] = {}
    taken: dict[str, str] = {}
    for process in processes:
        name = fit(process)
        if (other := taken.setdefault(name, process)) != process:
            raise ConfigurationError(
                f"the processes {other!r} and {process!r} would both be {name!r} for {tool}; "
                "give one of them another name in the topology"
            )
        names[process] = name
    return names
