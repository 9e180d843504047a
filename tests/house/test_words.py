"""One meaning for a class name, and plain English, in everything that the packages say."""

from __future__ import annotations

import ast
import re
import tokenize
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from tests.house.project import ROOT, nodes

RULES = (ROOT / "CONTRIBUTING.md").read_text().split("## Plain English")[1].split("\n## ")[0]
# What no text may say; CONTRIBUTING has an example of each, with what to say instead.
STUMBLES = {
    "is no X": r"(?<![Tt]here )\b(?:is|are|was|were) no (?!longer\b|more\b|matter\b|less\b|other\b)\w+",
    "mend": r"\b[Mm]end(?:s|ed|ing)?\b",
    "so many that": r"\b[Ss]o (?:many|much) (?:of|in|at|\w+ in)\b",
    "tell of": r"\b[Tt]ells? of\b|\b(?:is|are|was|were) told of\b",
    "anew, till": r"\banew\b|\btill (?:then|now|it|its|they|you|we|the end)\b",
    "runs already": r"\b(?:runs?|stands?|exists?|is there) already\b",
    "belongs into": r"\bbelongs? into\b|\binside of\b",
    "stands twice": r"\bstands? (?:twice|in the (?:file|log))\b",
    "how long at most": r"\b[Hh]ow (?:long|many|much|often) at most\b",
    "knows no X": r"\bknows? no(?:thing of)?\b",
    "None where": r"\b(?:None|empty|True|False) where (?:it|there|they|none|nobody|one)\b",
    "else": r"[;,] else\b(?! if)",
    "waits no more": r"\b[Ww](?:aits?|atch(?:es)?) no more\b",
    "for who": r"\b(?:for|of|to|where) who (?!it)\w+s\b",
    "is X; got": r"\b(?:is|are) (?!not\b)[^;:]*; got",
    "nobody need": r"\b[Nn](?:obody|othing)(?: else)? need \w+",
}


@cache
def modules() -> list[Path]:
    """The modules of the packages, but the demo's team, which stands for code of a user."""
    files = (ROOT / "packages").glob("*/src/**/*.py")
    return [file for file in files if "demo/team" not in str(file)]


@cache
def pages() -> list[Path]:
    """What people read in Markdown, but CONTRIBUTING, which has an example of each stumble."""
    folders = ("docs", "packages", "examples", "changelog.d")
    below = [page for folder in folders for page in (ROOT / folder).rglob("*.md")]
    return [
        ROOT / "README.md",
        ROOT / "SECURITY.md",
        *(page for page in below if page.name != "template.md"),
    ]


def paragraphs(page: Path) -> list[tuple[str, str]]:
    """Each paragraph, row and entry of a page on one line, without blocks of code, with the place where it begins."""
    text = re.sub(
        r"^(`{3,}).*?^\1",
        lambda block: re.sub(r"[^\n]", "", block[0]),
        page.read_text(),
        flags=re.DOTALL | re.MULTILINE,
    )
    found, line = [], 1
    for part in re.split(r"(\n\s*\n|\n(?=[|#-]|\d\. ))", text):
        found.append((f"{page.relative_to(ROOT)}:{line}", " ".join(part.split())))
        line += part.count("\n")
    return found


@cache
def texts() -> list[tuple[str, str]]:
    """Every text and comment of the packages on one line, docstrings too, and every paragraph of the pages."""
    found = [each for page in pages() for each in paragraphs(page)]
    for file in modules():
        place = file.relative_to(ROOT)
        for node in nodes(file):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append((f"{place}:{node.lineno}", " ".join(node.value.split())))
            elif isinstance(node, ast.JoinedStr):
                found.append((f"{place}:{node.lineno}", " ".join(_joined(node).split())))
        with file.open("rb") as source:
            found += [
                (f"{place}:{token.start[0]}", token.string)
                for token in tokenize.tokenize(source.readline)
                if token.type == tokenize.COMMENT
            ]
    return found


def _joined(text: ast.JoinedStr) -> str:
    """A text with an `X` where it has a value."""
    return "".join(
        str(each.value) if isinstance(each, ast.Constant) else "X" for each in text.values
    )


def test_a_class_name_is_given_once() -> None:
    places = defaultdict(list)
    for file in modules():
        for node in nodes(file):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize("stumble", STUMBLES)
def test_no_text_stumbles(stumble: str) -> None:
    found = [
        f"{place}: {text[:120]}" for place, text in texts() if re.search(STUMBLES[stumble], text)
    ]
    assert found == [], "see `Plain English` in CONTRIBUTING.md"


def test_contributing_says_what_to_write_instead() -> None:
    rows = re.findall(r"^\| (.+) \| (.+) \|$", RULES, re.MULTILINE)[2:]
    assert len(rows) >= len(STUMBLES)
    for name, pattern in STUMBLES.items():
        assert any(re.search(pattern, before) for before, _ in rows), f"no example of {name!r}"
        assert not any(re.search(pattern, after) for _, after in rows)
