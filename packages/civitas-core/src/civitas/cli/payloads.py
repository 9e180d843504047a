"""Payloads on a command line, in JSON."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from civitas.message.json_form import json_form

__all__ = ["json_text", "parse_json", "print_payload"]

_HINT = """Put it in single quotes and text in double ones: '{"n": 1}', '"text"'"""


def parse_json(text: str) -> Any:
    """The value of an argument; `-` is what is on stdin.

    Raises:
        ValueError: It is not JSON; says where.
    """
    source = ""
    if text == "-":
        source = " on stdin"
        try:
            text = sys.stdin.buffer.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"stdin is not UTF-8 (byte {error.start})") from None
    if not text.strip():
        raise ValueError(f"nothing{source}. {_HINT}; null is a payload too")
    try:
        return json.loads(
            text, object_pairs_hook=_mapping, parse_constant=_no_json, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        near = text[error.pos : error.pos + 20].partition("\n")[0]
        at = f" at {near!r}" if near else ", where it ends"
        raise ValueError(f"not JSON{source}, {where}{at}: {error.msg}. {_HINT}") from None
    except RecursionError:
        raise ValueError(f"the JSON{source} is nested too deeply for a payload") from None


def _no_json(word: str) -> None:
    raise ValueError(f"not JSON: {word}, which only Python reads; send null or text. {_HINT}")


def _finite(word: str) -> float:
    number = float(word)
    if math.isinf(number):
        raise ValueError(f"{word} is larger than any number that can be sent; send it as text")
    return number


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} appears twice in one object; remove one")
    return mapping


def print_payload(value: Any, *, raw: bool = False) -> None:
    """Print a value as JSON on stdout: in colours and indented on a terminal, otherwise on one line.

    Args:
        value: Plain data.
        raw: Whether text is printed as it is, without quotes and escapes.
    """
    if raw and isinstance(value, str):
        print(value)
    elif sys.stdout.isatty():
        from civitas.cli.console import stdout

        stdout().print_json(json_text(value))
    else:
        print(json_text(value))


def json_text(value: Any) -> str:
    """`value` as JSON on one line; what JSON has no form for is text that people can read."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(json_form(value), ensure_ascii=not utf8)
