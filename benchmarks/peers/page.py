"""What was found, as the tables of docs/peers.md; what stands around them there is written by hand."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from textwrap import fill

from benchmarks.peers.measure import Figures, Findings
from benchmarks.peers.registry import OURS, PEERS
from benchmarks.peers.works import WORKS

__all__ = ["BEGIN", "END", "machine", "tables", "unexplained", "write"]

_WIDTH, _LEAST = 127, 0.001
BEGIN, END = "<!-- measured by make bench-peers -->", "<!-- until here -->"


def machine() -> str:
    """What it was measured on, in a few words."""
    about = Path("/proc/cpuinfo")
    models = (
        re.findall(r"^model name\s*: (.+)$", about.read_text(), re.MULTILINE)
        if about.exists()
        else []
    )
    name = f" ({models[0]})" if models else ""
    return f"{os.cpu_count()} cores{name}, {platform.system()} {platform.release()}"


def write(page: Path, found: Findings, said: str) -> None:
    """Put the tables into the page.

    Args:
        page: The file, which has `BEGIN` and `END`.
        found: The figures.
        said: What is to be said of the run as a whole.
    """
    text = page.read_text() if page.exists() else f"{BEGIN}{END}\n"
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{tables(found, said)}\n{END}{after}")


def tables(found: Findings, said: str) -> str:
    """The tables alone, below what is to be said of the run as a whole."""
    return "\n".join((said, "", *_tables(found)))


def _tables(found: Findings) -> Iterator[str]:
    for work, figures in found.figures.items():
        yield from _table(work, figures)
    yield "## How each is set up"
    yield ""
    yield "| | versions | configuration |"
    yield "|---|---|---|"
    for name in found.versions:
        versions = ", ".join(f"{what} {which}" for what, which in found.versions[name].items())
        yield f"| {PEERS[name].title} | {versions} | {PEERS[name].setup} |"
    yield ""
    if found.failed:
        yield "Not measured in this run:"
        yield ""
        for what, why in found.failed.items():
            name, _, work = what.partition(" ")
            of = f", {WORKS[work].title}" if work else ""
            yield f"- {PEERS[name].title}{of}: {why}"
        yield ""


def _table(work: str, figures: dict[str, Figures]) -> Iterator[str]:
    what = WORKS[work]
    yield f"## {what.title[:1].upper()}{what.title[1:]}"
    yield ""
    yield "| | median | least to greatest | processor time for each | speed, of that of Civitas |"
    yield "|---|---|---|---|---|"
    for name in sorted(
        figures, key=lambda name: median(_speeds(work, figures, name)), reverse=True
    ):
        each = figures[name]
        speed = "1" if name == OURS.name else f"{_ratio(median(_speeds(work, figures, name)))} x"
        yield (
            f"| {PEERS[name].title} | {_short(median(each.clock))} {what.unit} "
            f"| {_short(min(each.clock))} to {_short(max(each.clock))} "
            f"| {_time(median(each.processor))} | {speed} |"
        )
    yield ""
    told = [
        f"- {PEERS[name].title}: {PEERS[name].why[work]}"
        for name in _better(work, figures)
        if work in PEERS[name].why
    ]
    told += [
        f"- Not {peer.title}: {peer.without[work]}."
        for peer in PEERS.values()
        if work in peer.without
    ]
    if told:
        yield from (
            fill(line, _WIDTH, subsequent_indent="  ", break_long_words=False) for line in told
        )
        yield ""


def _speeds(work: str, figures: dict[str, Figures], name: str) -> list[float]:
    """How fast a peer was beside Civitas, in each round."""
    ratios = figures[name].ratios(figures[OURS.name])
    return ratios if WORKS[work].more_is_better else [1 / ratio for ratio in ratios]


def _better(work: str, figures: dict[str, Figures]) -> list[str]:
    return [
        name for name in figures if name != OURS.name and median(_speeds(work, figures, name)) > 1
    ]


def unexplained(found: Findings) -> list[str]:
    """Where a peer does better than Civitas and nothing says why."""
    return [
        f"{PEERS[name].title}: {WORKS[work].title}"
        for work, figures in found.figures.items()
        for name in _better(work, figures)
        if work not in PEERS[name].why
    ]


def _short(value: float) -> str:
    """With three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(value: float) -> str:
    """With two digits: the rounds differ by far more than a third one would tell."""
    if value < _LEAST:
        return f"< {_LEAST}"
    return f"{value:,.0f}" if value >= 10 else f"{value:#.2g}"


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{_short(seconds * 1e6)} µs"
    return f"{_short(seconds * 1e3)} ms" if seconds < 1 else f"{_short(seconds)} s"
