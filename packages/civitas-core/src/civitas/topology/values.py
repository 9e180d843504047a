"""What single values of a topology may be."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, StrictBool, WithJsonSchema
from pydantic_core import PydanticCustomError

from civitas.budgets import Budget, Per, Prices
from civitas.duration import DURATION, seconds_of
from civitas.errors import ConfigurationError
from civitas.errors.hints import did_you_mean
from civitas.message import Serializer
from civitas.process import Delivery, OnAmbiguous, RestartType
from civitas.process.options import check_name
from civitas.process.schedule import Missed, check_cron, check_timezone
from civitas.supervision import BackoffPolicy, RestartStrategy

__all__ = [
    "Backoff",
    "BudgetMap",
    "Count",
    "CountOrZero",
    "CronText",
    "DeliveryWord",
    "Duration",
    "EnvironmentName",
    "EnvironmentText",
    "ExceededWord",
    "MissedWord",
    "Name",
    "OnAmbiguousWord",
    "Port",
    "PricesMap",
    "Replicas",
    "Restart",
    "Seconds",
    "SecondsOrZero",
    "SerializerWord",
    "Strategy",
    "Switch",
    "Text",
    "TimezoneText",
    "Words",
]

_Word = TypeVar("_Word", bound=StrEnum)

_MOST_REPLICAS = 1000
"""Each is an OS process; more is a typing mistake."""


def _word(kind: type[_Word]) -> BeforeValidator:
    """Accept the words of an enum in any case."""

    def choose(value: Any) -> Any:
        words = [member.value for member in kind]
        if isinstance(value, str) and value.lower() in words:
            return kind(value.lower())
        raise PydanticCustomError(
            "word",
            "{text}",
            {
                "text": f"must be one of {', '.join(words)}; got {value!r}{did_you_mean(value, words)}"
            },
        )

    return BeforeValidator(choose)


def _checked_by(check: Callable[[Any, str], str]) -> BeforeValidator:
    """Accept what `check` does."""

    def checked(value: Any) -> str:
        try:
            return check(value, "")
        except ConfigurationError as error:
            raise PydanticCustomError("word", "{text}", {"text": str(error).strip()}) from None

    return BeforeValidator(checked)


def _name(value: Any) -> Any:
    try:
        return check_name(value, "")
    except ConfigurationError as error:
        quotes = "; put it in quotes" if isinstance(value, (int, float)) else ""
        raise PydanticCustomError(
            "name", "{text}", {"text": f"{str(error).strip()}{quotes}"}
        ) from None


def _text_of_scalar(value: Any) -> Any:
    """`PORT: 8080` and `DEBUG: true` in an environment are text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and "\0" in value:
        raise PydanticCustomError(
            "word", "{text}", {"text": "holds U+0000, which no environment can"}
        )
    return str(value) if isinstance(value, (int, float)) else value


def _environment_name(value: Any) -> Any:
    if isinstance(value, str) and (not value or set(value) & {"=", "\0"}):
        text = "is not the name of an environment variable; write NAME: value"
        raise PydanticCustomError("word", "{text}", {"text": text})
    return value


def _budget(value: Any) -> Any:
    try:
        Budget.read("", value)
    except ConfigurationError as error:
        raise PydanticCustomError(
            "word", "{text}", {"text": str(error).removeprefix("budget").lstrip(": ")}
        ) from None
    return value


def _prices(value: Any) -> Any:
    try:
        return Prices(value).plain()
    except ConfigurationError as error:
        text = str(error).removeprefix("prices").lstrip(": ")
        raise PydanticCustomError("word", "{text}", {"text": text}) from None


# Those with a validator of their own tell the JSON Schema, too, what they take.
Name = Annotated[
    str,
    BeforeValidator(_name),
    WithJsonSchema({"type": "string", "pattern": r"^(?!-|civitas:|.*\.\.)[^\s/*?\[\]]{1,200}$"}),
]
EnvironmentName = Annotated[
    str, BeforeValidator(_environment_name), WithJsonSchema({"type": "string"})
]
EnvironmentText = Annotated[
    str,
    BeforeValidator(_text_of_scalar),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
Strategy = Annotated[RestartStrategy, _word(RestartStrategy)]
Backoff = Annotated[BackoffPolicy, _word(BackoffPolicy)]
Restart = Annotated[RestartType, _word(RestartType)]
DeliveryWord = Annotated[Delivery, _word(Delivery)]
OnAmbiguousWord = Annotated[OnAmbiguous, _word(OnAmbiguous)]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, lt=1e9, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, Field(ge=0, lt=1e9, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
Words = Annotated[list[Text], Field(min_length=1)]
Switch = StrictBool
SerializerWord = Annotated[Serializer, _word(Serializer)]
MissedWord = Annotated[Missed, _word(Missed)]
CronText = Annotated[str, _checked_by(check_cron)]
TimezoneText = Annotated[str, _checked_by(check_timezone)]
ExceededWord = Annotated[
    Literal["refuse", "ask"], Field(json_schema_extra={"enum": ["refuse", "ask"]})
]
BudgetMap = Annotated[
    dict[str, Any],
    BeforeValidator(_budget),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "calls": {"type": "integer", "minimum": 0},
                "tokens": {"type": "integer", "minimum": 0},
                "usd": {"type": "number", "minimum": 0},
                "seconds": {"type": "number", "minimum": 0},
                "per": {"enum": list(Per)},
            },
            "additionalProperties": False,
        }
    ),
]
PricesMap = Annotated[
    dict[str, Any],
    BeforeValidator(_prices),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {"in": {"type": "number"}, "out": {"type": "number"}},
                "required": ["in", "out"],
                "additionalProperties": False,
            },
        }
    ),
]
Replicas = Annotated[int, Field(ge=1, le=_MOST_REPLICAS)]


def _seconds(value: Any) -> float:
    seconds = seconds_of(value)
    if seconds is not None:
        return seconds
    text = f"must be a time, such as 30d, 12h, 90m or 45 (seconds), of up to 10,000 days; got {value!r}"
    raise PydanticCustomError("word", "{text}", {"text": text})


Duration = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": rf"^{DURATION.pattern}$"},
            ]
        }
    ),
]
"""Seconds, in the file a number of them or a text with a unit."""
