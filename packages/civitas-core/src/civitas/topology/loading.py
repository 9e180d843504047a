"""`load`: from a file or a dict to a checked `Topology`."""

from __future__ import annotations

import types
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from civitas.topology.checks import check
from civitas.topology.grammar import Topology
from civitas.topology.problems import Problem, nearest, topology_error, unknown_word
from civitas.topology.source import Source, read, show
from civitas.topology.yaml_reader import Path

__all__ = ["load", "load_part"]


def load(config: str | FilePath | Mapping[str, Any] | Topology) -> Topology:
    """Read and check a topology; imports and starts nothing that it names.

    Args:
        config: Path of a YAML file, or a mapping of the same form. `${VAR}` and `${VAR:-default}` are
            replaced in both. A topology that is loaded already comes back as it is.
    Raises:
        TopologyError: It is not valid. All problems are in its text, each with its line and the nearest
            valid word; `.file` and `.line` are those of the first.
    """
    if isinstance(config, Topology):
        return config
    source = read(config)
    return _checked(source, source.data)


def load_part(file: str | FilePath, *keys: str) -> Topology:
    """Read and check only some keys at the top of a file, such as `name`; everything else has its defaults.

    For commands that talk to a running system: the file may be in the middle of a change, or name variables
    that are set only where the system was started.

    Args:
        file: Path of a YAML file.
        *keys: The keys.
    Raises:
        TopologyError: The file is not YAML, or what is under these keys is not valid.
    """
    source = read(file, keys)
    part = {key: value for key, value in source.data.items() if key in keys}
    return _checked(source, {"supervision": {}, **part})


def _checked(source: Source, data: Any) -> Topology:
    try:
        topology = Topology.model_validate(data)
    except ValidationError as error:
        problems = [_problem(source, each) for each in error.errors(include_url=False)]
        raise topology_error(problems, source.file) from None
    topology._source = source
    found = check(topology)
    if found:
        raise topology_error(found, source.file)
    return topology


def _problem(source: Source, error: ErrorDetails) -> Problem:
    path: Path = error["loc"]
    kind = error["type"]
    if kind == "extra_forbidden":
        model = _model_at(path[:-1])
        words = list(model.model_fields) if model else []
        return source.problem(path, unknown_word("key", path[-1], words, _where(path[:-1])))
    if kind == "missing":
        text = f"{_where(path[:-1])} needs the key {path[-1]!r}"
        near = nearest(path[-1], error["input"])
        return source.problem(path[:-1], f"{text}; is {near!r} meant for it?" if near else text)
    if path[-1:] == ("[key]",):
        path = path[:-1]
    if kind in ("name", "word"):
        return source.problem(path, f"{_called(path)} {error['msg']}", at_key=False)
    if kind == "invalid_key":
        return source.problem(path, f"the key {path[-1]!r} is not text; put it in quotes")
    wanted = _WANTED.get(kind, "")
    if not wanted:
        limits = error.get("ctx", {})
        number = "a whole number" if "int" in _annotation_text(path) else "a number"
        bounds = {"ge": ">=", "gt": ">", "lt": "<", "le": "<="}
        limit = [f"{sign} {limits[key]:g}" for key, sign in bounds.items() if key in limits]
        wanted = f"{number} {limit[0]}" if limit else error["msg"]
    return source.problem(path, f"{_called(path)} must be {wanted}; got {show(error['input'])}")


_MAPPING = "a mapping (key: value)"
_WANTED = {
    "model_type": _MAPPING,
    "dict_type": _MAPPING,
    "list_type": "a list (- item)",
    "string_type": "text (put it in quotes)",
    "string_too_short": "text that is not empty",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
}


def _called(path: Path) -> str:
    """What to call the thing at `path`: its key, or the list it is in."""
    if not path:
        return "a topology"
    if isinstance(path[-1], int):
        return f"each of {path[-2]!r}"
    return repr(path[-1])


def _where(path: Path) -> str:
    """What to call the mapping at `path`."""
    if not path:
        return "a topology"
    if isinstance(path[-1], int):
        return "a child"
    if path == ("supervision",):
        return "'supervision'"
    if path[0] == "processes":
        return f"process {path[-1]!r}"
    if path[0] == "supervision":
        return f"{'an' if path[-1] == 'agent' else 'a'} {str(path[-1]).replace('_', ' ')}"
    return repr(path[-1])


def _annotation(path: Path) -> Any:
    """The type that the grammar asks for at `path`; None if it asks for nothing."""
    kind: Any = Topology
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(part)
            kind = field.annotation if field else None
        else:
            kind = get_args(kind)[-1] if get_args(kind) else None
        while isinstance(kind, types.UnionType):
            kind = get_args(kind)[0]
    return kind


def _annotation_text(path: Path) -> str:
    return str(_annotation(path))


def _model_at(path: Path) -> type[BaseModel] | None:
    kind = _annotation(path)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
