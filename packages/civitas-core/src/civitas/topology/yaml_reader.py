"""YAML text to plain data, with the line of every key and value.

The scalars are those of YAML 1.2's core schema, which is what people expect: `on`, `no` and `22:30` are text and
`true` and `false` the only booleans. Nothing but plain data can be constructed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from civitas.topology.positions import Path, Position
from civitas.topology.variables import BadVariable, Variables

__all__ = ["YamlProblem", "plain_scalar", "read_yaml"]

_TAG = "tag:yaml.org,2002:"
_MAX_NODES = 100_000  # aliases of aliases can unfold to billions
_MAX_DEPTH = 100


class YamlProblem(Exception):
    """The text cannot be read; `line` says where, counted from 1."""

    def __init__(self, problem: str, line: int) -> None:
        self.problem = problem
        self.line = line
        super().__init__(problem)


def read_yaml(
    text: str, variables: Variables, only: Collection[str] | None = None
) -> tuple[Any, dict[Path, Position]]:
    """Read one YAML document.

    Args:
        text: The document.
        variables: What `${...}` stands for.
        only: The keys at the top below which variables are replaced; all when None.
    Returns:
        The data, None for an empty document, and the place of everything in it.
    Raises:
        YamlProblem: It is not YAML, or more than plain data.
    """
    hidden = variables.hide(text)
    try:
        node = _Loader(hidden).get_single_node()
        if node is None:
            return None, {}
        reader = _Reader(variables, only)
        return reader.read(node, (), Position(_line(node), _line(node)), 0), reader.places
    except yaml.MarkedYAMLError as error:
        if (swallowed := variables.swallowed_quote(hidden)) is not None:
            at, form = swallowed
            raise YamlProblem(
                f"the }} of a variable is missing before the quotation mark in {form}; "
                "write ${NAME} or ${NAME:-default}",
                hidden[:at].count("\n") + 1,
            ) from None
        raise YamlProblem(_said(error, variables), _where(error)) from None
    except yaml.reader.ReaderError as error:
        line = hidden[: error.position].count("\n") + 1
        raise YamlProblem(
            f"the character U+{error.character:04X} is not allowed in YAML", line
        ) from None
    except RecursionError:
        raise YamlProblem("lists and mappings are nested too deeply to be a topology", 1) from None


def plain_scalar(text: str) -> Any:
    """The value of `text` written without quotes; `text` itself if that is the only way to write it."""
    try:
        return _CONSTRUCT[_type(text).removeprefix(_TAG)](text)
    except ValueError:
        return text


def _type(text: str) -> str:
    return str(_RESOLVER.resolve(yaml.ScalarNode, text, (True, False)))  # type: ignore[no-untyped-call]


class _Resolver(BaseResolver):
    """The types of plain scalars, after the core schema of YAML 1.2."""


for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    _Resolver.add_implicit_resolver(_TAG + _kind, re.compile(f"(?:{_pattern})\\Z"), _first)

_RESOLVER = _Resolver()


class _Loader(Reader, Scanner, Parser, Composer, _Resolver):
    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        _Resolver.__init__(self)


class _Reader:
    """Turns nodes into data, and notes where they stand."""

    def __init__(self, variables: Variables, only: Collection[str] | None) -> None:
        self.places: dict[Path, Position] = {}
        self._variables = variables
        self._wanted = only
        self._nodes = 0

    def read(self, node: yaml.Node, path: Path, place: Position, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > _MAX_NODES or depth > _MAX_DEPTH:
            raise YamlProblem(
                "too large or too deeply nested to be a topology; an alias (*name) may lead back "
                "to itself",
                _line(node),
            )
        self.places[path] = place
        if isinstance(node, yaml.MappingNode):
            self._only(node, "map")
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            self._only(node, "seq")
            return [
                self.read(item, (*path, i), Position(_line(item), _line(item)), depth + 1)
                for i, item in enumerate(node.value)
            ]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[Any, Any]:
        data: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            if key_node.tag == f"{_TAG}merge":
                raise YamlProblem(
                    "merge keys (<<) are not supported; write the keys out, or use an alias (*name) "
                    "for a whole value",
                    line,
                )
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlProblem("a key must be a single word, not a list or a mapping", line)
            key = self._scalar(key_node, path)
            if key in data:
                first = self.places[(*path, key)].key
                raise YamlProblem(
                    f"the key {key!r} appears twice in one mapping, first on line {first}; "
                    "take one out",
                    line,
                )
            data[key] = self.read(
                value_node, (*path, key), Position(line, _line(value_node)), depth + 1
            )
        return data

    def _scalar(self, node: Any, path: Path) -> Any:
        text: str = node.value
        if path and self._wanted is not None and path[0] not in self._wanted:
            return self._variables.show(text)
        try:
            value = self._variables.expand(text)
        except BadVariable as problem:
            raise YamlProblem(str(problem), _line(node)) from None
        tag = node.tag
        if node.style is None and value != text:
            # What was put in is typed as if it had stood there.
            tag = _type(value)
        try:
            return _CONSTRUCT[tag.removeprefix(_TAG)](value)
        except (KeyError, ValueError):
            huge = tag == f"{_TAG}int" and len(value) > 1000  # Python reads no longer ones
            what = "a number of this size" if huge else f"the tag {_tag(node)}"
            raise YamlProblem(
                f"{what} is not supported; write plain text, numbers, true, false or null",
                _line(node),
            ) from None

    def _only(self, node: yaml.Node, kind: str) -> None:
        if node.tag != _TAG + kind:
            raise YamlProblem(
                f"the tag {_tag(node)} is not supported; write plain lists and mappings",
                _line(node),
            )


def _null(text: str) -> None:
    return None


def _bool(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _int(text: str) -> int:
    # Not int(text, 0), which takes underscores and refuses 007.
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_CONSTRUCT: dict[str, Any] = {
    "str": str,
    "null": _null,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "merge": str,
}


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _tag(node: Any) -> str:
    return str(node.tag).replace(_TAG, "!!")


def _where(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark is not None else 1


def _said(error: yaml.MarkedYAMLError, variables: Variables) -> str:
    problem = variables.show(error.problem or "not YAML")
    if "expected a single document" in f"{error.context} {problem}":
        return "a second document begins here (---); a topology is one document"
    if "\\t" in problem:
        return "there is a tab where YAML wants spaces"
    if not error.context:
        return f"not YAML: {problem}"
    begins = error.context_mark.line + 1 if error.context_mark is not None else _where(error)
    since = f" that begins on line {begins}" if begins != _where(error) else ""
    return f"not YAML: {problem} {error.context}{since}"
