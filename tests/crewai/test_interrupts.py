"""Tasks with `human_input`."""

from __future__ import annotations

from typing import Any

import pytest
from crewai.tools import tool

from civitas.errors import HandlerFailed, UnknownInterrupt
from civitas.message import Message
from civitas.runtime import Runtime
from civitas.testing import SuiteModel, ToolCall
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import restarts, running
from tests.crewai.crews import clerk, crew_of, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


async def answer(runtime: Runtime, asked: Message, text: Any) -> Message:
    return await runtime.ask("c", {"value": text}, "resume", conversation=asked.conversation)


def question(asked: Message) -> Any:
    (each,) = asked.payload["interrupts"]
    return each


@pytest.mark.promise(id="SEM-965")
async def test_the_draft_is_judged_until_it_is_accepted_and_the_crew_goes_on():
    model = SuiteModel("draft 1", "draft 2", "published")

    def make() -> Any:
        who = clerk(model)
        return crew_of(task(who, "write", human_input=True), task(who, "publish"))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        first = await runtime.ask("c", {})
        assert (first.type, question(first)["value"]) == ("interrupt", {"draft": "draft 1"})
        second = await answer(runtime, first, "shorter, please")
        assert question(second)["value"] == {"draft": "draft 2"}
        assert question(second)["id"] != question(first)["id"]
        reply = await answer(runtime, second, "")
    assert [each["raw"] for each in reply.payload["tasks"]] == ["draft 2", "published"]
    assert "shorter, please" in " ".join(model.seen[1])
    assert "draft 2" in " ".join(model.seen[2])


@pytest.mark.parametrize("durable", [False, True])
async def test_what_was_called_before_the_question_is_not_called_again(durable):
    looked: list[str] = []

    @tool("look")
    def look(q: str) -> dict[str, str]:
        """Look it up."""
        looked.append(q)
        return {"found": q}

    model = SuiteModel(ToolCall("look", {"q": "x"}), "found it", "draft", "end")

    def make() -> Any:
        find = task(clerk(model, tools=[look]), "find")
        return crew_of(find, task(clerk(model), "write", human_input=True), task(clerk(model)))

    async with running(CrewAIAgent("c", crew=make, durable=durable)) as runtime:
        asked = await runtime.ask("c", {}, conversation="x")
        assert (len(model.seen), looked) == (3, ["x"])
        reply = await answer(runtime, asked, "")
    assert [each["raw"] for each in reply.payload["tasks"]] == ["found it", "draft", "end"]
    assert (len(model.seen), looked) == (4, ["x"])


async def test_what_was_told_before_the_question_is_not_told_again():
    model = SuiteModel("one", "two", "three")

    def make() -> Any:
        who = clerk(model)
        return crew_of(task(who, "a"), task(who, "b", human_input=True), task(who, "c"))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        chunks = [each async for each in runtime.stream("c", {}, conversation="x")]
        assert [each.type for each in chunks] == ["step", "token", "step", "token", "interrupt"]
        more = runtime.stream("c", {"value": ""}, "resume", conversation="x")
        chunks = [each async for each in more]
    assert [(each.type, each.payload) for each in chunks[:-1]] == [
        ("step", {"name": "c"}),
        ("token", {"text": "three"}),
    ]


async def test_a_crew_that_streams_by_itself_asks_as_any_other():
    def make() -> Any:
        return crew_of(task(clerk(SuiteModel("draft")), human_input=True), stream=True)

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        asked = await runtime.ask("c", {})
        assert (await answer(runtime, asked, "")).payload["output"] == "draft"


async def test_two_tasks_beside_each_other_ask_one_after_the_other():
    def make() -> Any:
        left, right = (
            task(clerk(SuiteModel(name)), name, human_input=True, async_execution=True)
            for name in ("left", "right")
        )
        return crew_of(left, right, task(clerk(SuiteModel("end")), "end"))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        first = await runtime.ask("c", {})
        second = await answer(runtime, first, "")
        reply = await answer(runtime, second, "")
    drafts = [question(each)["value"]["draft"] for each in (first, second)]
    assert sorted(drafts) == ["left", "right"]
    assert [each["raw"] for each in reply.payload["tasks"]] == ["left", "right", "end"]


@pytest.mark.promise(id="SEM-1068")
@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("wrong", [True, None, 3, ["yes"], {"approve": True}])
async def test_an_answer_that_is_no_text_is_refused_and_the_question_stays_open(wrong, durable):
    model = SuiteModel("draft 1", "draft 2")

    def make() -> Any:
        return crew_of(task(clerk(model), human_input=True))

    async with running(CrewAIAgent("c", crew=make, durable=durable)) as runtime:
        asked = await runtime.ask("c", {})
        refused = f"'' to accept; got {type(wrong).__name__}"
        with pytest.raises(HandlerFailed, match=refused) as failed:
            await answer(runtime, asked, wrong)
        assert failed.value.error_type == "PayloadError"
        more = await answer(runtime, asked, "shorter")
        assert question(more)["value"] == {"draft": "draft 2"}
        assert (await answer(runtime, more, "")).type == "reply"
        assert restarts(runtime) == 0
    assert "shorter" in " ".join(model.seen[1])


@pytest.mark.promise(id="SEM-966")
async def test_a_new_message_leaves_the_open_question_behind():
    model = SuiteModel("draft 1", "draft 2")

    def make() -> Any:
        return crew_of(task(clerk(model), human_input=True))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        old = await runtime.ask("c", {}, conversation="x")
        new = await runtime.ask("c", {}, conversation="x")
        assert question(new)["id"] != question(old)["id"]
        stale = {"id": question(old)["id"], "value": ""}
        with pytest.raises(UnknownInterrupt):
            await runtime.ask("c", stale, "resume", conversation="x")
        assert (await answer(runtime, new, "")).payload["output"] == "draft 2"


async def test_the_conversation_remembers_the_run_with_what_it_was_asked_for():
    model = SuiteModel("draft", "next")

    def make() -> Any:
        return crew_of(task(clerk(model), human_input=True))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        asked = await runtime.ask("c", {"topic": "otters"}, conversation="x")
        await answer(runtime, asked, "")
        await runtime.ask("c", {}, conversation="x")
    said = " ".join(model.seen[1])
    assert "Earlier output: draft" in said
    assert '"topic": "otters"' in said


async def test_the_spans_of_a_run_that_asks_are_no_errors(spans):
    def make() -> Any:
        return crew_of(task(clerk(SuiteModel("draft")), "write", human_input=True))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        await runtime.ask("c", {})
    for name in ("process c", "invoke_workflow c", "task write", "invoke_agent Clerk"):
        assert "error.type" not in spans.attributes(name), name


@pytest.mark.promise(id="SEM-1070")
@pytest.mark.parametrize("durable", [False, True])
async def test_a_crew_in_a_tool_that_asks_a_human_is_refused_and_reads_no_terminal(
    durable, monkeypatch
):
    def read(*args: Any) -> str:
        raise AssertionError("the terminal was read")

    monkeypatch.setattr("builtins.input", read)

    @tool("write")
    def write(what: str) -> str:
        """Write something."""
        inner = crew_of(task(clerk(SuiteModel("draft")), "inner", human_input=True))
        return str(inner.kickoff())

    model = SuiteModel(ToolCall("write", {"what": "it"}), "never")

    def make() -> Any:
        return crew_of(task(clerk(model, tools=[write])))

    async with running(CrewAIAgent("c", crew=make, durable=durable)) as runtime:
        with pytest.raises(HandlerFailed, match="the task 'inner' of a crew inside a tool"):
            await runtime.ask("c", {})
        assert restarts(runtime) == 0
    assert len(model.seen) == 1
