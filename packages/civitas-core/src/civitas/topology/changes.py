"""Changes to what a topology file says, for the place where it runs: `--set transport.servers=nats://nats:4222`."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from civitas.errors import TopologyError
from civitas.topology.positions import Path
from civitas.topology.source import Source, show, spell

__all__ = ["changed", "parse_change"]

_PART = re.compile(r'"([^"]+)"|([^".]+)')


def parse_change(text: str) -> tuple[Path, Any]:
    """The place and the value of ``KEY.KEY=VALUE``; a key with a dot in it stands in double quotes.

    Raises:
        ValueError: It is not written like that.
    """
    from civitas.topology.yaml_reader import plain_scalar

    place, sign, value = text.partition("=")
    parts = [quoted or plain for quoted, plain in _PART.findall(place)]
    if not sign or not parts or _written(parts) != place.replace('"', ""):
        raise ValueError(f"write KEY.KEY=VALUE, such as runtime.drain_timeout=60; got {text!r}")
    return tuple(parts), plain_scalar(value)


def _written(parts: Iterable[str]) -> str:
    return ".".join(parts)


def changed(source: Source, changes: Iterable[tuple[Path, Any]]) -> Source:
    """The same with other values at some places; what is not there is added.

    Raises:
        TopologyError: There is something else than a mapping on the way to one of them.
    """
    changes = list(changes)
    if not changes:
        return source  # a dict may hold objects of the user's, which stay what they are
    data = copy.deepcopy(source.data)
    places = []
    for path, value in changes:
        inside = data
        for depth, key in enumerate(path[:-1], 1):
            if inside.get(key) is None:
                inside[key] = {}
            inside = inside[key]
            if not isinstance(inside, dict):
                raise TopologyError(
                    f"--set {spell(path)}: {spell(path[:depth])!r} must be a mapping (key: value); "
                    f"got {show(inside)}",
                    file=source.file,
                )
        inside[path[-1]] = value
        places.append(path)
    return replace(source, data=data, changed=tuple(places))
