"""Reads the fenced blocks of a Markdown page, and the comments that say how each is to be checked.

A comment stands right before its block:

    <!-- skip: why -->         not run; the reason is printed
    <!-- file: myapp/a.py -->  the content of a file that the other blocks of the page may use
    <!-- continue -->          runs after the Python block before it, as one program
    <!-- output -->            what the Python block before it prints; `...` stands for anything
    <!-- terminal: name -->    typed into another terminal than the other commands of the page; text is what comes there
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.house.project import ROOT

_BLOCK = re.compile(
    r"(?:^<!-- *(?P<word>skip|file|continue|output|terminal)(?:: *(?P<value>[^\n]*?))? *-->\n+)?"
    r"^(?P<fence>`{3,})(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=fence)[ \t]*$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A fenced block and where it stands."""

    page: Path
    line: int
    language: str
    text: str
    word: str | None
    value: str | None

    @property
    def name(self) -> str:
        """Page and line, as an editor understands them."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every page a user reads."""
    docs = (ROOT / "docs").rglob("*.md")
    readmes = (ROOT / "packages").glob("*/README.md")
    examples = (ROOT / "examples").rglob("README.md")
    return sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *docs, *readmes, *examples])


@cache
def blocks(page: Path) -> list[Block]:
    """The blocks of a page, from top to bottom."""
    if not page.exists():
        return []
    text = page.read_text()
    return [
        Block(
            page=page,
            line=text.count("\n", 0, match.start("fence")) + 1,
            language=match["language"],
            text=match["text"],
            word=match["word"],
            value=match["value"],
        )
        for match in _BLOCK.finditer(text)
    ]


def earlier(page: Path) -> list[Block]:
    """The blocks of the chapters before it; none unless it is one of the tutorial."""
    chapters = sorted(page.parent.glob("*.md")) if page.parent.name == "tutorial" else []
    return [block for chapter in chapters if chapter < page for block in blocks(chapter)]


def place_files(shown: list[Block], folder: Path) -> None:
    """Write those blocks that are files; of two with one name, the later one."""
    for block in shown:
        if block.word == "file":
            assert block.value
            target = folder / block.value
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text)


def all_blocks(*languages: str) -> list[Block]:
    """Every block of these languages, but those that are part of another or skipped."""
    return [block for page in pages() for block in blocks(page) if block.language in languages]


def program(block: Block) -> str:
    """The block's code, after that of the blocks it continues; line numbers are the page's."""
    before = [
        other
        for other in blocks(block.page)
        if other.language == "python" and other.word != "file" and other.line < block.line
    ]
    parts = [block]
    while parts[0].word == "continue":
        parts.insert(0, before.pop())
    code = ""
    for part in parts:
        code += "\n" * (part.line - code.count("\n")) + part.text
    return code


def expected_output(block: Block) -> str | None:
    """What stands in the `output` block right after this one, if there is one."""
    following = [other for other in blocks(block.page) if other.line > block.line]
    if following and following[0].word == "output":
        return following[0].text
    return None
