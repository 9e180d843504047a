"""Values as plain data from which equal ones are made again, of the same classes."""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticUndefined

from civitas.errors import PayloadError
from civitas.message import encode, to_plain

__all__ = ["pack_exact", "unpack_exact"]

# Marks a dict that stands for something else.
_MADE = "$made"

_MAX_DEPTH = 100


def pack_exact(value: Any, path: str) -> Any:
    """A copy of `value` as plain data, from which `unpack_exact` makes an equal one.

    Args:
        value: Anything.
        path: What to call it in an error.

    Raises:
        PayloadError: It would not come back equal; names the path to what does not.
    """
    return _pack(value, path, 0)


def unpack_exact(packed: Any) -> Any:
    """What `pack_exact` was given.

    Raises:
        PayloadError: Its class is gone, or has changed so that it does not fit.
    """
    if isinstance(packed, list):
        return [unpack_exact(item) for item in packed]
    if not isinstance(packed, dict):
        return packed
    made = packed.get(_MADE)
    if made is None:
        return {key: unpack_exact(item) for key, item in packed.items()}
    return _MAKERS[made](packed)


def _pack(value: Any, path: str, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise PayloadError(f"{path[:60]}...", "nested too deep, or contains itself")

    def inner(item: Any, step: str) -> Any:
        return _pack(item, f"{path}{step}", depth + 1)

    kind = type(value)
    if kind is list:
        return [inner(item, f"[{index}]") for index, item in enumerate(value)]
    if kind is dict:
        pairs = [(inner(key, ""), inner(item, f"[{key!r}]")) for key, item in value.items()]
        if _MADE not in value and not any(isinstance(key, (list, dict)) for key, _ in pairs):
            return dict(pairs)
        return {_MADE: "dict", "of": [list(pair) for pair in pairs]}
    if kind is tuple:
        return {
            _MADE: "tuple",
            "of": [inner(item, f"[{index}]") for index, item in enumerate(value)],
        }
    if kind in (set, frozenset):
        # In an order of their own, so that equal sets are packed alike.
        items = sorted((inner(item, f"{{{item!r}}}") for item in value), key=encode)
        return {_MADE: kind.__name__, "of": items}
    if isinstance(value, BaseModel):
        return _pack_model(value, path, inner)
    try:
        copy = to_plain(value, path)
    except PayloadError:
        return _pack_other(value, path)
    return copy if type(copy) is kind else _pack_other(value, path)


def _pack_model(model: BaseModel, path: str, inner: Callable[[Any, str], Any]) -> Any:
    kind = type(model)
    fields = {
        name: inner(value, f".{name}")
        for name, value in model.__dict__.items()
        if name in kind.model_fields
    }
    packed = {_MADE: "model", "class": _name(kind, path), "fields": fields}
    packed["set"] = sorted(model.model_fields_set)
    if model.model_extra:
        packed["extra"] = {
            name: inner(value, f".{name}") for name, value in model.model_extra.items()
        }
    if private := getattr(model, "__pydantic_private__", None):
        packed["private"] = {name: inner(value, f".{name}") for name, value in private.items()}
    return packed


def _model(packed: Mapping[str, Any]) -> Any:
    kind: Any = _class(packed["class"])
    kept = {name: unpack_exact(value) for name, value in packed["fields"].items()}
    fields = {}
    for name, field in kind.model_fields.items():
        if name in kept:
            fields[name] = kept[name]
        elif field.is_required():
            raise PayloadError(
                packed["class"], f"its field {name!r} is new, and has no default for what was kept"
            )
        else:
            fields[name] = field.get_default(call_default_factory=True, validated_data=fields)
    # As it was, which its validators might change or refuse.
    model = kind.__new__(kind)
    private = {name: each.get_default() for name, each in kind.__private_attributes__.items()}
    private |= {name: unpack_exact(value) for name, value in packed.get("private", {}).items()}
    private = {name: value for name, value in private.items() if value is not PydanticUndefined}
    extra = {name: unpack_exact(value) for name, value in packed.get("extra", {}).items()}
    model.__setstate__(
        {
            "__dict__": fields,
            "__pydantic_fields_set__": set(packed["set"]) & fields.keys(),
            "__pydantic_extra__": extra if kind.model_config.get("extra") == "allow" else None,
            "__pydantic_private__": private or None,
        }
    )
    return model


def _pack_other(value: Any, path: str) -> Any:
    """What pydantic can write as JSON and read again: a dataclass, an enum, a path, a URL."""
    kind: Any = type(value)
    try:
        data = _adapter(kind).dump_python(value, mode="json")
        again = _adapter(kind).validate_python(data)
        same = type(again) is kind and bool(again == value)
    except Exception as error:  # whatever its class raises
        raise _unlike(kind, path) from error
    if not same:
        raise _unlike(kind, path)
    return {_MADE: "other", "class": _name(kind, path), "data": to_plain(data, path)}


def _other(packed: Mapping[str, Any]) -> Any:
    return _adapter(_class(packed["class"])).validate_python(packed["data"])


@functools.lru_cache(maxsize=256)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _unlike(kind: type, path: str) -> PayloadError:
    return PayloadError(path, f"{kind.__name__} cannot be recorded so that an equal one comes back")


def _name(kind: type, path: str) -> str:
    name = f"{kind.__module__}:{kind.__qualname__}"
    if _found(name) is not kind:
        raise PayloadError(
            path,
            f"the class {kind.__qualname__} is not found by its name in {kind.__module__}; define it at the top level "
            "of a module",
        )
    return name


def _class(name: str) -> type:
    found = _found(name)
    if not isinstance(found, type):
        raise PayloadError(name, "the class of something that was recorded is not there any more")
    return found


def _found(name: str) -> Any:
    try:
        return pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError):
        return None


def _items(packed: Mapping[str, Any]) -> Any:
    return map(unpack_exact, packed["of"])


_MAKERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "dict": lambda packed: dict(_items(packed)),
    "tuple": lambda packed: tuple(_items(packed)),
    "set": lambda packed: set(_items(packed)),
    "frozenset": lambda packed: frozenset(_items(packed)),
    "model": _model,
    "other": _other,
}
