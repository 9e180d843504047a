"""The stream of a crew's run."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from crewai.hooks import register_before_tool_call_hook, unregister_before_tool_call_hook
from crewai.tools import BaseTool, tool
from crewai.utilities.exceptions.context_window_exceeding_exception import (
    LLMContextLengthExceededError,
)
from pydantic import BaseModel

from civitas.demo.model_server import ToolCall as ServedCall
from civitas.message import Message
from civitas.runtime import Runtime
from civitas.testing import SuiteModel, ToolCall
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import running
from tests.crewai.crews import clerk, crew_of, task
from tests.crewai.models import Played, played

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@tool("look")
def look(q: str) -> str:
    """Look it up."""
    return f"found {q}"


class Place(BaseModel):
    path: Path


class Reads(BaseTool):
    name: str = "open"
    description: str = "Opens."
    args_schema: type[BaseModel] = Place

    def _run(self, path: Path) -> str:
        return f"opened {path.name}"


async def told(runtime: Runtime, payload: Any, **keywords: Any) -> list[Message]:
    async with contextlib.aclosing(runtime.stream("c", payload, **keywords)) as stream:
        return [each async for each in stream]


def outline(chunks: list[Message]) -> list[Any]:
    return [(each.type, each.payload) for each in chunks]


async def test_a_model_of_crewais_own_streams_its_tokens_and_its_tools_are_told(scripted):
    def script(body: dict[str, Any]) -> Any:
        if body["messages"][-1]["role"] == "tool":
            return "an answer in pieces"
        return ServedCall("look", {"q": "otters"})

    llm = scripted(script)
    async with running(
        CrewAIAgent("c", crew=lambda: crew_of(task(clerk(llm, tools=[look]), "find")))
    ) as runtime:
        chunks = await told(runtime, {})
    arguments = {"name": "look", "arguments": {"q": "otters"}}
    tokens = [each.payload["text"] for each in chunks if each.type == "token"]
    assert outline(chunks)[:3] == [
        ("step", {"name": "find"}),
        ("tool", arguments),
        ("tool", {**arguments, "result": "found otters"}),
    ]
    assert len(tokens) > 1
    assert "".join(tokens) == "an answer in pieces"
    assert chunks[-1].type == "reply"
    assert llm.stream is not True  # the user's own object


async def test_a_model_that_cannot_stream_tells_its_text_in_one_piece():
    class Silent(Played):
        def call(self, *args: Any, **keywords: Any) -> Any:
            self.stream = False
            return super().call(*args, **keywords)

    silent = Silent(model="silent")
    silent._script = SuiteModel("one two")
    async with running(CrewAIAgent("c", crew=lambda: crew_of(task(clerk(silent))))) as runtime:
        chunks = await told(runtime, {})
    assert outline(chunks)[1] == ("token", {"text": "one two"})


async def test_each_task_is_a_step_when_it_begins():
    model = SuiteModel("a", "b")

    def make() -> Any:
        who = clerk(model)
        return crew_of(task(who, "one"), task(who, "two"))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        chunks = await told(runtime, {})
    assert outline(chunks)[:-1] == [
        ("step", {"name": "one"}),
        ("token", {"text": "a"}),
        ("step", {"name": "two"}),
        ("token", {"text": "b"}),
    ]


async def test_a_slow_reader_slows_the_model_and_loses_nothing():
    words = " ".join(f"w{number}" for number in range(1000))
    said: list[str] = []

    class Counted(Played):
        def _emit_stream_chunk_event(self, chunk: str, *args: Any, **keywords: Any) -> None:
            said.append(chunk)
            super()._emit_stream_chunk_event(chunk, *args, **keywords)

    llm = Counted(model="counted")
    llm._script = SuiteModel(words)
    texts = []
    async with running(CrewAIAgent("c", crew=lambda: crew_of(task(clerk(llm))))) as runtime:
        stream = runtime.stream("c", {}, timeout=30)
        async for each in stream:
            if each.type == "token":
                texts.append(each.payload["text"])
                assert len(said) <= len(texts) + 103
    assert "".join(texts) == words


async def test_tasks_that_run_beside_each_other_are_told_without_a_loss():
    def make() -> Any:
        texts = [
            task(clerk(played(SuiteModel(f"{name} " * 50))), name, async_execution=True)
            for name in ("left", "right")
        ]
        return crew_of(*texts, task(clerk(SuiteModel("end")), "end"))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        chunks = await told(runtime, {})
    text = "".join(each.payload["text"] for each in chunks if each.type == "token")
    assert (text.count("left"), text.count("right"), text.count("end")) == (50, 50, 1)


async def test_what_a_guardrails_model_says_is_no_part_of_the_answer():
    model = SuiteModel("fine", '{"valid": true, "feedback": null}')

    def make() -> Any:
        return crew_of(task(clerk(model), guardrail="It is fine."))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        chunks = await told(runtime, {})
    assert [each.payload["text"] for each in chunks if each.type == "token"] == ["fine"]
    assert len(model.seen) == 2


async def test_a_crew_that_plans_is_told_without_its_plan():
    plan = {"list_of_plans_per_task": [{"task_number": 1, "task": "answer", "plan": "Think!"}]}
    planner, model = SuiteModel(json.dumps(plan)), SuiteModel("fine")

    def make() -> Any:
        return crew_of(task(clerk(model)), planning=True, planning_llm=played(planner))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        chunks = await told(runtime, {})
    assert "Think!" in " ".join(model.seen[0])
    assert outline(chunks)[:-1] == [("step", {"name": "answer"}), ("token", {"text": "fine"})]


@pytest.mark.promise(id="SEM-1065")
async def test_a_task_without_a_name_is_told_by_its_number_also_in_the_reply():
    model = SuiteModel("a", "b", "c")

    def make() -> Any:
        who = clerk(model)
        return crew_of(task(who, ""), task(who, "named"), task(who, ""))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        chunks = await told(runtime, {})
    names = ["task 1", "named", "task 3"]
    assert [each.payload["name"] for each in chunks if each.type == "step"] == names
    assert [each["name"] for each in chunks[-1].payload["tasks"]] == names


@pytest.mark.promise(id="SEM-1065")
async def test_a_tool_has_one_name_in_the_stream_in_its_span_and_for_the_model(spans, scripted):
    @tool("Search the Web!")
    def search(q: str) -> str:
        """Search."""
        return f"found {q}"

    offered: list[str] = []

    def script(body: dict[str, Any]) -> Any:
        offered.extend(each["function"]["name"] for each in body["tools"])
        return "done" if len(offered) > 1 else ServedCall(offered[0], {"q": "otters"})

    llm = scripted(script)
    made = lambda: crew_of(task(clerk(llm, tools=[search])))  # noqa: E731
    async with running(CrewAIAgent("c", crew=made)) as runtime:
        chunks = await told(runtime, {})
    assert set(offered) == {"search_the_web"}
    tools = [each.payload for each in chunks if each.type == "tool"]
    assert [each["name"] for each in tools] == ["search_the_web"] * 2
    assert "execute_tool search_the_web" in [span.name for span in spans.all()]


async def test_what_an_agent_plans_and_sums_up_for_itself_is_no_part_of_the_answer():
    full = LLMContextLengthExceededError("the window is full")
    model = SuiteModel("a plan", full, "a summary", "fine")

    def make() -> Any:
        return crew_of(task(clerk(model, planning=True)))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        chunks = await told(runtime, {})
    assert len(model.seen) >= 3
    text = "".join(each.payload["text"] for each in chunks if each.type == "token")
    assert "plan" not in text
    assert "summary" not in text


@pytest.mark.promise(id="SEM-1065")
async def test_a_tool_that_fails_is_told_once_and_is_a_text_for_the_model():
    @tool("break")
    def broken(q: str) -> str:
        """Break."""
        raise KeyError(q)

    model = SuiteModel(ToolCall("break", {"q": "it"}), "gave up")
    async with running(
        CrewAIAgent("c", crew=lambda: crew_of(task(clerk(model, tools=[broken]))))
    ) as runtime:
        chunks = await told(runtime, {})
    called = {"name": "break", "arguments": {"q": "it"}}
    assert [each.payload for each in chunks if each.type == "tool"] == [
        called,
        {**called, "result": "Error executing tool: 'it'"},
    ]
    assert chunks[-1].payload["output"] == "gave up"
    assert "Error executing tool" in model.seen[1][-1]


async def test_arguments_that_cannot_be_sent_are_told_as_text_and_fail_no_tool():
    model = SuiteModel(ToolCall("open", {"path": "a/b"}), "done")
    async with running(
        CrewAIAgent("c", crew=lambda: crew_of(task(clerk(model, tools=[Reads()]))))
    ) as runtime:
        chunks = await told(runtime, {})
    called = {"name": "open", "arguments": {"path": "a/b"}}
    tools = [each.payload for each in chunks if each.type == "tool"]
    assert tools == [called, {**called, "result": "opened b"}]


async def test_a_tool_that_a_hook_blocks_or_the_model_made_up_is_never_told():
    model = SuiteModel(ToolCall("look", {"q": "x"}), ToolCall("other", {}), "gave up")

    def block(context: Any) -> bool:
        return False

    register_before_tool_call_hook(block)
    try:
        async with running(
            CrewAIAgent("c", crew=lambda: crew_of(task(clerk(model, tools=[look]))))
        ) as runtime:
            chunks = await told(runtime, {})
    finally:
        unregister_before_tool_call_hook(block)
    assert "tool" not in [each.type for each in chunks]
    assert len(model.seen) == 3
