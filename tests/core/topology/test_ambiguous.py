"""`on_ambiguous` in a topology."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from civitas import AgentProcess, Message, TopologyError
from civitas.runtime import Runtime
from civitas.topology import load

Write = Callable[[str], Path]

AGENT = """
supervision:
  children:
    - agent:
        name: a
        {}
"""


class Plain(AgentProcess):
    async def handle(self, message: Message) -> None:
        return None


def written(write: Write, *lines: str) -> Path:
    return write(AGENT.format("\n        ".join(lines)))


@pytest.mark.promise(id="SEM-1678")
def test_the_key_is_the_keyword(write: Write) -> None:
    file = written(write, "type: Plain", "delivery: durable", "on_ambiguous: INTERRUPT")
    (agent,) = Runtime.from_config(file, {"Plain": Plain}).supervisor.children
    assert isinstance(agent, AgentProcess)
    same = Plain("a", delivery="durable", on_ambiguous="interrupt")
    assert agent._civitas_options == same._civitas_options


@pytest.mark.promise(id="SEM-1678")
@pytest.mark.parametrize(
    ("lines", "line", "text"),
    [
        (["type: Plain", "on_ambiguous: ask"], 6, "must be one of repeat, interrupt"),
        (["type: Plain", "on_ambiguous: interrupt"], 6, "needs 'delivery: durable'"),
        (["wrap: m:graph", "on_ambiguous: interrupt"], 6, "needs 'durable: true'"),
        (["type: Plain", "on_ambigous: repeat"], 6, "did you mean 'on_ambiguous'?"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(
    write: Write, lines: list[str], line: int, text: str
) -> None:
    with pytest.raises(TopologyError) as raised:
        Runtime.from_config(written(write, *lines), {"Plain": Plain})
    assert f":{line}:" in str(raised.value) or f"line {line}" in str(raised.value)
    assert text in str(raised.value)


def test_an_entry_that_fits_loads(write: Write) -> None:
    load(written(write, "wrap: m:graph", "durable: true", "on_ambiguous: interrupt"))
