"""`json_schema`: the grammar of a topology for editors.

Draft 7 of JSON Schema, as that is what editors know best. It says what is in the text of a file, so `${VAR}` may
stand where a number is expected; what must hold between several places is left to `civitas topology validate`.
"""

from __future__ import annotations

from typing import Any

from civitas.topology.descriptions import describe
from civitas.topology.grammar import (
    AGENT_KEYWORDS,
    AgentEntry,
    ChildEntry,
    ConversationPoolEntry,
    Topology,
    TopologyEntry,
)
from civitas.topology.validation import MODELS

__all__ = ["json_schema"]

_DRAFT = "http://json-schema.org/draft-07/schema#"
_VARIABLE = {"type": "string", "pattern": r"\$\{"}
_TYPED = ("integer", "number", "boolean")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of topology files, as plain data."""
    schema = MODELS[Topology].model_json_schema(ref_template="#/definitions/{model}")
    models = {model.__name__: model for model in _models(TopologyEntry)}
    definitions = {
        name: _mapping(each, models[name]) if name in models else _word(each)
        for name, each in schema.pop("$defs").items()
    }
    return {
        "$schema": _DRAFT,
        **_mapping(schema, Topology),
        "title": "Civitas topology",
        "description": "What runs, under which supervisor, and where its state is kept.",
        "definitions": definitions,
    }


def _models(base: type[TopologyEntry]) -> list[type[TopologyEntry]]:
    return [base, *(model for each in base.__subclasses__() for model in _models(each))]


def _mapping(schema: dict[str, Any], model: type[TopologyEntry]) -> dict[str, Any]:
    """The schema of one mapping of the file."""
    schema["title"] = model.__name__.removesuffix("TopologyEntry")
    schema["properties"] = {
        key: _property(each, describe(model, key)) for key, each in schema["properties"].items()
    }
    if schema["additionalProperties"] is False:
        schema["patternProperties"] = {_VARIABLE["pattern"]: {}}  # keys may be variables too
    if model is Topology:
        schema["properties"]["processes"]["additionalProperties"] = (
            False  # their names have a pattern
        )
    if model in (AgentEntry, ConversationPoolEntry):
        schema["oneOf"] = [{"required": ["type"]}, {"required": ["wrap"]}]
        schema["dependencies"] = {"replicas": ["process"]}
        beside = {"enum": ["name", *AGENT_KEYWORDS]}
        schema["properties"]["args"]["propertyNames"] = {"not": beside}
    if model is ChildEntry:
        schema |= {"minProperties": 1, "maxProperties": 1}
    return schema


def _property(schema: dict[str, Any], description: str) -> dict[str, Any]:
    """The schema of what is under a key."""
    schema.pop("title", None)
    default = schema.pop("default", None)
    choices = schema.pop("anyOf", None) or [schema]
    if any("$ref" in each for each in choices):
        # Nothing is not a mapping; and beside a $ref, editors of this draft look at nothing else.
        choices = [each for each in choices if "$ref" in each]
        schema = {"allOf": choices}
    elif any(each.get("type") in _TYPED or "pattern" in each for each in choices):
        schema = {"anyOf": [*choices, _VARIABLE]}
    elif len(choices) > 1:
        schema = {"anyOf": choices}
    schema["description"] = description
    if default not in (None, ""):
        schema["default"] = default
    return schema


def _word(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a word: editors offer the known ones, which may be written in any case."""
    words = schema["enum"]
    any_case = "|".join("".join(map(_both_cases, word)) for word in words)
    return {
        "title": schema["title"],
        "description": schema["description"],
        "anyOf": [
            {"enum": words},
            {"type": "string", "pattern": f"^({any_case})$"},
            _VARIABLE,
        ],
    }


def _both_cases(letter: str) -> str:
    return f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter
