"""Each figure of the page of questions is one that our own benchmarks gave."""

from __future__ import annotations

import re

import pytest

from tests.house.project import ROOT

DOCS = ROOT / "docs"
FAQ = " ".join((DOCS / "faq.md").read_text().split())
A, B = r"(?P<a>[\d.,]*\d)", r"(?P<b>[\d.,]*\d)"
# What the page says, the page that has the figures, and the row in which they stand there.
FIGURES = [
    (
        rf"ended at call {A} with `Workflow history size exceeds limit`; .* Temporal had kept {B}\.",
        "benchmarks.md",
        rf"\| Temporal \| `Workflow history size exceeds limit` \| {A} \| \d+ \| {B} MB \|",
    ),
    (
        rf"Civitas finished, and kept {A} MB",
        "benchmarks.md",
        rf"\| Civitas \| finished \| 101 \| 100, each once \| {A} MB",
    ),
    (
        rf"one run of durable steps was {A} times as quick with Civitas",
        "benchmarks.md",
        rf"\| durable steps of one run, beside DBOS [^|]+\|[^|]+\|[^|]+\| {A} \|",
    ),
    (
        rf"16 runs at once {A} times",
        "benchmarks.md",
        rf"\| durable steps of 16 runs at once, beside DBOS [^|]+\|[^|]+\|[^|]+\| {A} \|",
    ),
    (
        rf"an SDK agent with {A} calls of tools was killed {B} times",
        "benchmarks.md",
        rf"\| an SDK agent, ten calls in each answer \| {A} \| {B} \| none \|",
    ),
    (
        rf"a crew with {A} was killed {B} times, and no call was made twice",
        "benchmarks.md",
        rf"\| a crew \| {A} \| {B} \| none \|",
    ),
    (rf"of which {A} kB are new", "benchmarks.md", rf"What is new in a turn is {A} kB"),
    (
        rf"in {A} ms, with {B} kB written",
        "benchmarks.md",
        rf"\| a graph with Civitas \| {A} ms \|[^|]+\|[^|]+\| {B} kB \|",
    ),
    (
        rf"With `AsyncSqliteSaver` the same turn takes {A} ms and writes {B} kB",
        "benchmarks.md",
        rf"\| a graph with AsyncSqliteSaver \| {A} ms \|[^|]+\|[^|]+\| {B} kB \|",
    ),
    (
        rf"The price is {A} µs for an ask where a bare queue and a future take {B}\.",
        "benchmarks.md",
        rf"\| ask in one process, one after another \| {B} µs \| {A} µs \|",
    ),
    (
        rf"10,000 agents start in {A} s",
        "benchmarks.md",
        rf"\| 10,000 agents started \|[^|]+\| {A} s \|",
    ),
    (
        rf"Erlang/OTP made about {A} times as many asks one after another",
        "peers.md",
        rf"## Ask in one process[^#]*\| Erlang/OTP \|[^\n]*\| {A} x \|",
    ),
    (
        rf"takes about {A} ms of the processor to start",
        "peers.md",
        rf"## Actors started[^#]*\| Ray \|[^\n]*\| {A} ms \| [^|]+ x \|",
    ),
    (
        rf"where an agent on Civitas takes about {A} µs",
        "peers.md",
        rf"## Actors started[^#]*\| Civitas \|[^\n]*\| {A} µs \| 1 \|",
    ),
    (
        rf"an ask was about {A} times as fast",
        "peers.md",
        rf"## Ask of an agent in another OS process[^#]*\| Ray \|[^\n]*\| {A} x \|",
    ),
    (
        rf"of that process came about {A} times as fast",
        "peers.md",
        rf"## Kill -9 of an agent's process[^#]*\| Ray \|[^\n]*\| {A} x \|",
    ),
    (rf"take {A} KiB each", "benchmarks.md", rf"\| memory of an idle agent \|[^|]+\| {A} KiB \|"),
]


def figures(pattern: str, text: str) -> list[float]:
    """What the pattern finds, as numbers."""
    found = re.search(pattern, text)
    assert found, f"nothing says {pattern!r}"
    return [float(found[group].replace(",", "")) for group in sorted(found.groupdict())]


@pytest.mark.parametrize(
    ("said", "page", "measured"), FIGURES, ids=[said[:30] for said, _, _ in FIGURES]
)
def test_a_figure_of_the_questions_is_the_one_that_was_measured(said, page, measured):
    here, there = figures(said, FAQ), figures(measured, (DOCS / page).read_text())
    assert len(here) == len(there)
    close = 0.4 if "about" in said else 0.05
    assert [round(one / other, 1) for one, other in zip(here, there, strict=True)] == [
        pytest.approx(1, abs=close) for _ in here
    ]


def test_no_figure_of_the_questions_is_held_by_nothing():
    left = FAQ
    for said, _, _ in FIGURES:
        left = re.sub(said, "", left)
    assert re.findall(r"[\d,.]*\d (?:times|µs|ms|s|kB|MB|KiB|MiB|k/s|percent|%)(?!\w)", left) == []


@pytest.mark.parametrize("page", ["faq.md", "README.md"])
def test_as_many_public_agents_run_as_the_pages_say(page):
    table = (DOCS / "wild.md").read_text().split("| agent | framework |")[1]
    rows = re.findall(r"^\| \w", table, re.MULTILINE)
    told = re.search(r"(\d+) public agents|(\d+) of them, unchanged", (DOCS / page).read_text())
    assert told
    assert int(told[1] or told[2]) == len(rows)
