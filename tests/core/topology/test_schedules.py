"""Schedules in a topology: what may be written, and what is said about everything else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from civitas.errors import TopologyError
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.topology import load

Write = Callable[[str], Path]

AGENT = """
supervision:
  children:
    - agent:
        name: a
        type: Plain
        {}
"""


class Plain(AgentProcess):
    async def handle(self, message: Message) -> None:
        return None


def written(write: Write, *lines: str) -> Path:
    return write(AGENT.format("\n        ".join(lines)))


@pytest.mark.promise(id="SEM-1661")
def test_a_schedule_in_a_topology_is_one_in_python(write: Write) -> None:
    file = written(
        write,
        'schedule: "*/5  * * * MON-FRI"',
        "timezone: Europe/Berlin",
        "missed: ALL",
        "schedule_payload: {input: go}",
    )
    (agent,) = Runtime.from_config(file, {"Plain": Plain}).supervisor.children
    same = Plain(
        "a",
        schedule="*/5 * * * MON-FRI",
        timezone="Europe/Berlin",
        missed="all",
        schedule_payload={"input": "go"},
    )
    assert isinstance(agent, AgentProcess)
    assert agent._civitas_options == same._civitas_options
    (agent,) = Runtime.from_config(
        written(write, "every: 10m"), {"Plain": Plain}
    ).supervisor.children
    assert isinstance(agent, AgentProcess)
    assert agent._civitas_options == Plain("a", every=600)._civitas_options


@pytest.mark.promise(id="SEM-1666")
@pytest.mark.parametrize(
    ("lines", "line", "text"),
    [
        (['schedule: "*/5 * * *"'], 6, "got '*/5 * * *': wrong number of fields"),
        (['schedule: "0 25 * * *"'], 6, "bad hour"),
        (["schedule: 5"], 6, "such as '*/5 * * * *'; got 5"),
        (['schedule: "0 3 * * *"', "timezone: Europe/Berln"], 7, "did you mean 'Europe/Berlin'?"),
        (["every: often"], 6, "must be a time, such as 30d"),
        (["every: 10m", "missed: one"], 7, "did you mean 'once'?"),
        (["every: 10m", 'schedule: "0 3 * * *"'], 6, "has both 'schedule' and 'every'"),
        (["every: 10m", "timezone: UTC"], 7, "'timezone' is for 'schedule'"),
        (["missed: skip"], 6, "is for one with 'schedule' or 'every'"),
        (["schedul: x"], 6, "did you mean 'schedule'?"),
    ],
)
def test_what_is_no_schedule_is_told_with_its_line(
    write: Write, lines: list[str], line: int, text: str
) -> None:
    with pytest.raises(TopologyError) as refused:
        Runtime.from_config(written(write, *lines), {"Plain": Plain})
    assert text in str(refused.value)
    assert f".yaml:{line}: " in str(refused.value)


def test_nothing_is_wrong_with_a_schedule_of_an_agent_elsewhere(write: Write) -> None:
    load(written(write, "every: 10m", "process: w", "replicas: 3"))
