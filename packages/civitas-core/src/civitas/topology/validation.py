"""`validated`: what a topology says, checked against the grammar and held by its classes."""

from __future__ import annotations

import types
from dataclasses import MISSING, Field, fields
from typing import Any, ForwardRef, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic import Field as Key
from pydantic_core import ErrorDetails

from civitas.errors.hints import nearest
from civitas.topology import grammar, values
from civitas.topology.entries import OpenEntry, TopologyEntry
from civitas.topology.grammar import Topology
from civitas.topology.positions import Path
from civitas.topology.problems import Problem, topology_error, unknown_word
from civitas.topology.source import Source, show
from civitas.topology.values import Duration

__all__ = ["MODELS", "validated"]


def validated(source: Source, data: Any) -> Topology:
    """The topology that `data` describes.

    Args:
        source: Where it comes from.
        data: What of that is meant.

    Raises:
        TopologyError: A key or a value is not one of the grammar.
    """
    try:
        model = MODELS[Topology].model_validate(data)
    except ValidationError as error:
        problems = [_problem(source, each) for each in error.errors(include_url=False)]
        raise topology_error(problems, source.file) from None
    return Topology(**_held(model), source=source)


class _Mapping(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class _OpenMapping(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="allow")


def _models() -> dict[type[TopologyEntry], type[BaseModel]]:
    """A model for each class of the grammar, in the order in which they stand there."""
    kinds = [
        each
        for each in vars(grammar).values()
        if isinstance(each, type) and issubclass(each, TopologyEntry)
    ]
    names: dict[str, Any] = {each.__name__: ForwardRef(each.__name__) for each in kinds}
    names |= {**{name: getattr(values, name) for name in values.__all__}, "Duration": Duration}
    made: dict[type[TopologyEntry], type[BaseModel]] = {}
    for kind in kinds:
        hints = get_type_hints(kind, localns=names, include_extras=True)
        keys = {
            each.name: (hints[each.name], _default(each, made))
            for each in fields(kind)
            if each.name in kind.declared()
        }
        base = _OpenMapping if issubclass(kind, OpenEntry) else _Mapping
        model: type[BaseModel] = create_model(kind.__name__, __base__=base, **keys)  # type: ignore[call-overload]  # keys are known only now
        model.__doc__ = kind.__doc__  # goes into the JSON Schema
        names[kind.__name__] = made[kind] = model
    for model in made.values():
        model.model_rebuild(
            _types_namespace=names
        )  # a supervisor is made of children, and they of it
    return made


def _default(key: Field[Any], made: dict[type[TopologyEntry], type[BaseModel]]) -> Any:
    if key.default_factory is not MISSING:
        return Key(default_factory=key.default_factory)
    if isinstance(key.default, TopologyEntry):
        return made[type(key.default)].model_construct(set(), **key.default.everything())
    return ... if key.default is MISSING else key.default


MODELS = _models()
"""The model of each class of the grammar."""
_KINDS = {model: kind for kind, model in MODELS.items()}


def _held(model: BaseModel) -> dict[str, Any]:
    """The arguments of the class of the grammar that holds what `model` read."""
    held: dict[str, Any] = {key: _plain(getattr(model, key)) for key in type(model).model_fields}
    held["stated"] = frozenset(model.model_fields_set)
    if model.model_extra is not None:
        held["further"] = dict(model.model_extra)
    return held


def _plain(value: Any) -> Any:
    match value:
        case BaseModel():
            return _KINDS[type(value)](**_held(value))
        case list():
            return [_plain(each) for each in value]
        case dict():
            return {key: _plain(each) for key, each in value.items()}
    return value


def _problem(source: Source, error: ErrorDetails) -> Problem:
    path: Path = error["loc"]
    kind = error["type"]
    if kind == "extra_forbidden":
        if len(path) > 1 and isinstance(path[-2], int) and path[-1] in _INSIDE_A_CHILD:
            return source.problem(path[:-1], _KIND_FIRST)
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


_INSIDE_A_CHILD = {*grammar.AgentEntry.declared(), *grammar.SupervisorEntry.declared()}
_KIND_FIRST = (
    f"each child begins with what it is: {', '.join(grammar.ChildEntry.declared())}; "
    "write - agent: {name: ..., type: ...}"
)
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
    kind: Any = MODELS[Topology]
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(part)
            kind = field.annotation if field else None
        else:
            kind = get_args(kind)[-1] if get_args(kind) else None
        while get_origin(kind) in (types.UnionType, Union):
            kind = get_args(kind)[0]
    return kind


def _annotation_text(path: Path) -> str:
    return str(_annotation(path))


def _model_at(path: Path) -> type[BaseModel] | None:
    kind = _annotation(path)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
