"""What a page shows of a terminal: its commands, and what each prints, without what differs each time."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.blocks import Block, blocks

__all__ = ["as_ever", "commands", "session"]


def commands(block: Block) -> list[tuple[str, str]]:
    """Each command of a console block, with what the page says that it prints."""
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE)


def session(page: Path) -> list[tuple[str, str]]:
    """Those of a whole page, but for the blocks that are skipped."""
    shown = [block for block in blocks(page) if block.language == "console"]
    return [each for block in shown if block.word != "skip" for each in commands(block)]


def as_ever(text: str, folder: Path, name: str = "/srv/shop") -> list[str]:
    """The lines without what differs each time; `name` is what the page calls the folder."""
    text = text.replace(str(folder), name)
    # A branch of a profile, which a busy machine adds, and the leaves of that.
    text = re.sub(
        r"(?m)^.*── meanwhile the event loop was held by *\n(?: +[├└]── .*\n?)*", "", text
    )
    for pattern, word in (
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
        (r"\b[0-9a-f]{32}\b", "ID"),
        (r"(?m)^\d\d:\d\d:\d\d\b", "TIME"),
        (r"(?<![\d.])\d{1,3}(\.\d)? (s|min)\b|(?m:(?<=  )now(?=  |$))", "AGE"),
        (r"\(pid \d+\)", "(PID)"),
        (r"\d+ samples", "SAMPLES"),
        (r"(?m)\bID +\d{2,}$", "ID PID"),
        (r"(asyncio/\w+\.py):\d+", r"\1:LINE"),
        ("├", "└"),
        ("│", " "),
    ):
        text = re.sub(pattern, word, text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]
