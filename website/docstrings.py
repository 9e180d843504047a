"""Docstrings as Markdown: their text is Markdown already, and their sections become fields."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

import griffe

__all__ = ["attributes", "written"]

_SECTION = re.compile(r"\n+((?:Args|Attributes|Raises|Returns|Yields):\n)")
"""Our sections stand together; griffe wants a blank line before each."""
_SAMPLE = re.compile(r"::\n\n((?:(?: {4}.*)?\n)*(?: {4}.*))")


def written(*docstrings: griffe.Docstring | None) -> str:
    """What docstrings say together, but their attributes: first their text, then their sections."""
    sections = [section for each in docstrings for section in _sections(each)]
    text = [
        _markdown(each.value) for each in sections if each.kind is griffe.DocstringSectionKind.text
    ]
    fields = [line for each in sections for line in _fields(each)]
    return "\n\n".join([*text, "\n".join(fields)]).strip()


def attributes(found: griffe.Object | griffe.Alias) -> list[griffe.DocstringAttribute]:
    """What stands under "Attributes:"."""
    return [
        each
        for section in _sections(found.docstring)
        if section.kind is griffe.DocstringSectionKind.attributes
        for each in section.value
    ]


def _sections(docstring: griffe.Docstring | None) -> list[griffe.DocstringSection]:
    if docstring is None:
        return []
    apart = _SECTION.sub(r"\n\n\1", docstring.value)
    return griffe.Docstring(apart, parent=docstring.parent, parser=griffe.Parser.google).parsed


def _markdown(text: str) -> str:
    def fenced(match: re.Match[str]) -> str:
        return f":\n\n```python\n{textwrap.dedent(match[1])}\n```"

    return _SAMPLE.sub(fenced, text)


def _fields(section: griffe.DocstringSection) -> Iterable[str]:
    kinds = griffe.DocstringSectionKind
    match section.kind:
        case kinds.parameters | kinds.other_parameters:
            names = [(f"param {each.name}", each.description) for each in section.value]
        case kinds.raises:
            names = [(f"raises {each.annotation}", each.description) for each in section.value]
        case kinds.returns | kinds.yields:
            text = " ".join(each.description for each in section.value)
            names = [("returns" if section.kind is kinds.returns else "yields", text)]
        case kinds.text | kinds.attributes:
            return []
        case other:
            raise NotImplementedError(f"a section {other.value!r} in {section.value}")
    return [f":{name}: {_continued(text)}" for name, text in names]


def _continued(text: str) -> str:
    return textwrap.indent(_markdown(text), "    ").strip()
