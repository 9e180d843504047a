"""Crews in OS processes that are killed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from civitas import HandlerFailed, Message, Runtime, UnknownInterrupt
from civitas.demo.model_server import Failure, ModelServer
from tests.deep import further
from tests.house.project import ROOT
from tests.integration.adapters.askers import MODEL
from tests.integration.adapters.points import Points, kept_in, result_of, system
from tests.integration.processes.system import killed, until

CREW = ROOT / ".venv-crew"
POINTS = ["find-0", "look", "find-1", "note", "find-2", "write-0"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CREW.is_dir(), reason="needs the environment with CrewAI"),
]


def crew(folder: Path, name: str, **keywords: Any) -> dict[str, Any]:
    wrapped = f"tests.integration.adapters.crews:{name}"
    agent = {"name": "c", "wrap": wrapped, "process": "w", **keywords}
    env = {"XDG_DATA_HOME": str(folder)}
    # It imports CrewAI: 5 s of processor time, and others work beside it.
    place = {"python": str(CREW), "env": env, "start_timeout": 90}
    return system(folder, agent, processes={"w": place})


@dataclass(frozen=True)
class Killed:
    """What became of three durable crews whose one process was killed while each of them ran.

    Attributes:
        reply: Of one that was asked.
        chunks: Of one whose stream was read, the last of them the reply.
        answer: Of one that had just got a human's answer.
        passed: The points they came to.
    """

    reply: Message
    chunks: list[Message]
    answer: Message
    passed: list[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def killed_once(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """To import CrewAI is most of what any of them takes, so they share a process and its death."""
    folder = tmp_path_factory.mktemp("crews")
    points = Points(folder)
    at = ["find-1", "s-find-2", "j-write-0"]
    for each in at:
        points.hold(each)
    config = crew(folder, "two_tasks", durable=True)
    children, supervisor = config["supervision"]["children"], config["supervision"]
    for name, kind in (("s", "streamed"), ("j", "judged")):
        wrapped = f"tests.integration.adapters.crews:{kind}"
        children.append({"agent": {**children[0]["agent"], "name": name, "wrap": wrapped}})
    supervisor["max_restarts"] = 2 * len(children)

    async def read(runtime: Runtime) -> list[Message]:
        return [each async for each in runtime.stream("s", {}, timeout=80)]

    async def judge(runtime: Runtime) -> Message:
        await runtime.ask("j", {}, conversation="x", timeout=80)
        return await runtime.ask("j", {"value": ""}, "resume", conversation="x", timeout=80)

    async with Runtime.from_config(config) as runtime, asyncio.TaskGroup() as group:
        asking = group.create_task(runtime.ask("c", {}, timeout=80))
        reading = group.create_task(read(runtime))
        judging = group.create_task(judge(runtime))
        await points.kill_at(runtime, "c", *at)
    return Killed(asking.result(), reading.result(), judging.result(), points.passed)


@pytest.mark.promise(id="SEM-967")
def test_a_durable_crew_goes_on_after_kill_9_and_makes_no_finished_call_again(
    killed_once: Killed,
) -> None:
    tasks = killed_once.reply.payload["tasks"]
    assert [each["raw"] for each in tasks] == ["found noted", "write done"]
    assert [each for each in killed_once.passed if each[1] != "-"] == [
        *("find-0", "look", "find-1", "find-1"),
        *("note", "find-2", "write-0"),
    ]


@pytest.mark.promise(id="SEM-967")
@pytest.mark.parametrize("where", further("look", "write-0"))
async def test_so_it_does_wherever_it_is_killed(tmp_path: Path, where: str) -> None:
    points = Points(tmp_path)
    points.hold(where)
    async with Runtime.from_config(crew(tmp_path, "two_tasks", durable=True)) as runtime:
        asking = asyncio.create_task(runtime.ask("c", {}, timeout=80))
        await points.kill_at(runtime, "c", where)
        reply = await asking
    assert [each["raw"] for each in reply.payload["tasks"]] == ["found noted", "write done"]
    expected = list(POINTS)
    expected.insert(expected.index(where), where)
    assert points.passed == expected


@pytest.mark.promise(id="SEM-1600")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("run", further((60, 3)))  # imports CrewAI again and again
async def test_a_long_run_that_is_killed_again_and_again_makes_each_call_once_and_keeps_it_once(
    tmp_path: Path, run: tuple[int, int]
) -> None:
    calls, kills = run
    points = Points(tmp_path)
    for number in range(kills):
        points.kill(f"look-{(number * calls + calls // 2) // kills}")
    config = crew(tmp_path, "reading", durable=True, max_deliveries=kills + 2)
    config["supervision"]["max_restarts"] = kills + 2
    config["processes"]["w"]["start_timeout"] = 300  # each time it imports CrewAI
    async with Runtime.from_config(config) as runtime:
        payload = {"calls": str(calls)}
        asking = asyncio.create_task(runtime.ask("c", payload, conversation="c", timeout=None))
        await until(lambda: len(points.passed) == calls, 1000)
        kept = kept_in(tmp_path)
        reply = await asking
    assert reply.payload["output"] == f"{calls} found"
    assert points.passed == [f"look-{number}" for number in range(calls)]
    assert kept <= 1.2 * calls * len(result_of(0))
    assert kept_in(tmp_path) <= 1000


def test_the_stream_of_a_durable_crew_goes_on_after_kill_9_and_repeats_nothing(
    killed_once: Killed,
) -> None:
    chunks = [(each.type, each.payload) for each in killed_once.chunks]
    look, note = ({"name": name, "arguments": {}} for name in ("look", "note"))
    assert chunks[:-1] == [
        ("step", {"name": "find"}),
        ("tool", look),
        ("tool", {**look, "result": "found"}),
        ("tool", note),
        ("tool", {**note, "result": "noted"}),
        ("token", {"text": "found noted"}),
        ("step", {"name": "write"}),
        ("token", {"text": "write done"}),
    ]
    assert chunks[-1][0] == "reply"


@pytest.mark.promise(id="SEM-965")
async def test_a_draft_is_judged_after_the_process_and_the_root_are_gone(tmp_path: Path) -> None:
    points = Points(tmp_path)
    config = crew(tmp_path, "asking")
    async with Runtime.from_config(config) as runtime:
        asked = await runtime.ask("c", {}, timeout=80)
        await killed(runtime, "c")
    async with Runtime.from_config(config) as runtime:
        answer = {"id": asked.payload["interrupts"][0]["id"], "value": ""}
        conversation = asked.conversation
        reply = await runtime.ask("c", answer, "resume", conversation=conversation, timeout=80)
        with pytest.raises(UnknownInterrupt):
            await runtime.ask("c", answer, "resume", conversation=conversation, timeout=80)
    assert [each["raw"] for each in reply.payload["tasks"]] == ["found", "write done"]
    assert points.passed == ["find-0", "look", "find-1", "write-0"]


def test_an_answer_in_hand_when_its_process_is_killed_is_not_lost(
    killed_once: Killed,
) -> None:
    assert killed_once.answer.payload["output"] == "write done"
    passed = [each for each in killed_once.passed if each.startswith("j-")]
    assert passed == ["j-find-0", "j-look", "j-find-1", "j-write-0", "j-write-0"]


@pytest.mark.promise(id="SEM-1081")
async def test_bad_requests_of_each_framework_in_one_process_take_nobody_down(
    tmp_path: Path,
) -> None:
    """Bad payloads, and answers of HTTP 400 within one conversation."""

    def script(body: dict[str, Any]) -> Any:
        return Failure(400, "too long") if "bad" in str(body["messages"][-1]) else "fine"

    async def abuse(runtime: Runtime, name: str) -> list[str]:
        told: list[str] = []
        for payload in [{"inptu": "x"}, {"input": "bad"}] * 4:
            with pytest.raises(HandlerFailed) as failed:
                await runtime.ask(name, payload, conversation="c", timeout=80)
            told.append(failed.value.error_type)
        reply = await runtime.ask(name, {"input": "good"}, conversation="c", timeout=80)
        assert "fine" in str(reply.payload)
        return told

    agents = {"graph": "askers:graph", "assistant": "askers:assistant", "crew": "crews:asker"}
    askers = [
        {
            "name": name,
            "wrap": f"tests.integration.adapters.{wrapped}",
            "process": "w",
            "durable": True,
        }
        for name, wrapped in agents.items()
    ]
    with ModelServer(script) as server:
        env = {"XDG_DATA_HOME": str(tmp_path), MODEL: server.url}
        where = {"python": str(CREW), "env": env, "start_timeout": 60}
        config = system(tmp_path, *askers, processes={"w": where})
        async with Runtime.from_config(config) as runtime:
            told = await asyncio.gather(*(abuse(runtime, name) for name in agents))
            assert [child["restarts"] for child in runtime.tree()["children"]] == [0] * len(agents)
    assert [set(each) - {"PayloadError"} for each in told[1:]] == [{"BadRequestError"}] * 2
    assert server.count == sum(map(len, told)) // 2 + len(agents)


@pytest.mark.promise(id="SEM-1857")
@pytest.mark.promise(id="SEM-1858")
@pytest.mark.parametrize("where", further(("write", "send")))  # imports CrewAI four times
async def test_a_flow_goes_on_after_kill_9_and_its_question_outlives_the_program(
    tmp_path: Path, where: tuple[str, str]
) -> None:
    """It is killed before it asks, the program ends while it waits, and it is killed behind the answer."""
    points = Points(tmp_path)
    config = crew(tmp_path, "", durable=True)
    config["supervision"]["children"][0]["agent"]["wrap"] = (
        "tests.integration.adapters.flows:Report"
    )
    points.hold(where[0])
    async with Runtime.from_config(config) as runtime:
        asking = asyncio.create_task(runtime.ask("c", {}, conversation="f", timeout=100))
        await points.kill_at(runtime, "c", where[0])
        asked = await asking
    (question,) = asked.payload["interrupts"]
    assert question["value"]["message"] == "Is it good?"
    points.hold(where[1])
    async with Runtime.from_config(config) as runtime:
        answer = runtime.ask("c", {"value": "yes"}, "resume", conversation="f", timeout=100)
        asking = asyncio.create_task(answer)
        await points.kill_at(runtime, "c", where[1])
        reply = await asking
    assert reply.payload["output"] == "sent one two"
    assert points.passed == ["find", "write", "write", "send", "send"]
