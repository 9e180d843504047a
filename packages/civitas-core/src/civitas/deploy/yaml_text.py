"""YAML for people: in the order in which it was made, with comments, and what several have in common written once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

__all__ = ["MERGED", "Common", "OneLine", "documents"]

_COMMENT = re.compile(r"""^(?P<indent>\s*)(?P<quote>['"])(?P<text>#.*)(?P=quote): null$""")


class Common(dict[str, Any]):
    """A mapping that is written once, under the anchor `common`, and by its alias wherever else it stands."""


class OneLine(list[Any]):
    """A list that is written between brackets."""


class _MergeKey(str):
    __slots__ = ()


MERGED = _MergeKey("<<")
"""The key whose value is merged into the mapping that it stands in."""


def documents(*parts: Mapping[str, Any], above: Iterable[str] = ()) -> str:
    """The documents of a file.

    Args:
        *parts: Each a document. A key that begins with `#` is a comment, and its value None.
        above: Lines of a comment at the top.
    """
    head = "".join(f"# {line}".rstrip() + "\n" for line in above)
    return head + "---\n".join(_document(each) for each in parts)


def _document(data: Mapping[str, Any]) -> str:
    text = yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=10_000,
        default_flow_style=False,
    )
    return "".join(f"{_commented(line)}\n" for line in text.splitlines())


def _commented(line: str) -> str:
    found = _COMMENT.match(line)
    return (
        line if found is None else f"{found['indent']}{found['text'].replace(chr(39) * 2, chr(39))}"
    )


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return not isinstance(data, Common)

    def generate_anchor(self, node: yaml.Node) -> str:
        return "common"

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _common(dumper: yaml.SafeDumper, data: Common) -> yaml.Node:
    return dumper.represent_dict(data)


def _one_line(dumper: yaml.SafeDumper, data: OneLine) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)


def _merged(dumper: yaml.SafeDumper, data: _MergeKey) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:merge", str(data))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Common, _common)
_Dumper.add_representer(OneLine, _one_line)
_Dumper.add_representer(_MergeKey, _merged)
