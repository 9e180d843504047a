"""What SDK agents remember of a conversation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents import Agent, RunConfig, SessionSettings, SQLiteSession, function_tool

from civitas.demo.model_server import Failure, ToolCall
from civitas.errors import HandlerFailed
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore, Retention, SQLiteStateStore
from civitas.supervision import Supervisor
from civitas_openai import OpenAIAgent
from tests.core.frameworks.support import running, transcript
from tests.openai.support import Says, function


class Heard:
    """Answers "answer N", and notes what was said to it."""

    def __init__(self) -> None:
        self.texts: list[list[str]] = []

    def __call__(self, body: dict[str, Any]) -> Any:
        self.texts.append([str(each.get("content")) for each in body["messages"]])
        return f"answer {len(self.texts)}"


async def test_a_conversation_is_the_input_of_its_next_message(scripted):
    heard = Heard()
    async with running(OpenAIAgent("o", agent=Agent(name="a", model=scripted(heard)))) as runtime:
        await runtime.ask("o", {"input": "one"}, conversation="c")
        await runtime.ask("o", {"input": "two"}, conversation="c")
        await runtime.ask("o", {"input": "three"}, conversation="d")
        await runtime.ask("o", {"input": "four"})
    assert heard.texts == [["one"], ["one", "answer 1", "two"], ["three"], ["four"]]


@pytest.mark.promise(id="SEM-963")
async def test_a_conversation_goes_on_after_the_runtime_ended(scripted, tmp_path):
    heard = Heard()
    agent = Agent(name="a", model=scripted(heard))
    for text in ("one", "two"):
        store = SQLiteStateStore(tmp_path / "civitas.db")
        root = Supervisor("root", children=[OpenAIAgent("o", agent=agent)])
        async with Runtime(root, state_store=store) as runtime:
            await runtime.ask("o", {"input": text}, conversation="c")
        await store.close()
    assert heard.texts[-1] == ["one", "answer 1", "two"]


async def test_tool_calls_are_remembered_with_their_results(scripted):
    heard: list[Any] = []

    def script(body: dict[str, Any]) -> Any:
        heard.append([each["role"] for each in body["messages"]])
        return ToolCall("look", {}) if len(heard) == 1 else "done"

    @function_tool
    async def look() -> str:
        """Look."""
        return "found"

    agent = Agent(name="a", model=scripted(script), tools=[look])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        await runtime.ask("o", {"input": "one"}, conversation="c")
        await runtime.ask("o", {"input": "two"}, conversation="c")
    assert heard[-1] == ["user", "assistant", "tool", "assistant", "user"]


@pytest.mark.promise(id="SEM-964")
async def test_a_run_that_fails_leaves_no_trace_in_the_conversation(scripted):
    heard = Heard()

    def script(body: dict[str, Any]) -> Any:
        return Failure(400, "no") if body["messages"][-1]["content"] == "two" else heard(body)

    agent = Agent(name="a", model=scripted(script))
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        await runtime.ask("o", {"input": "one"}, conversation="c")
        with pytest.raises(HandlerFailed):
            await runtime.ask("o", {"input": "two"}, conversation="c")
        await runtime.ask("o", {"input": "three"}, conversation="c")
    assert heard.texts[-1] == ["one", "answer 1", "three"]


async def test_the_users_own_session_is_used_instead(scripted):
    heard = Heard()
    session = SQLiteSession("s")
    agent = Agent(name="a", model=scripted(heard))
    async with running(OpenAIAgent("o", agent=agent, session=session)) as runtime:
        await runtime.ask("o", {"input": "one"}, conversation="c")
        await runtime.ask("o", {"input": "two"}, conversation="d")
    session.close()
    assert heard.texts[-1] == ["one", "answer 1", "two"]


async def test_the_sdks_settings_say_how_much_of_the_conversation_is_read(scripted):
    heard = Heard()
    config = RunConfig(session_settings=SessionSettings(limit=1))
    agent = Agent(name="a", model=scripted(heard))
    async with running(OpenAIAgent("o", agent=agent, run_config=config)) as runtime:
        for text in ("one", "two", "three"):
            await runtime.ask("o", {"input": text}, conversation="c")
    assert heard.texts[-1] == ["answer 2", "three"]


@pytest.mark.promise(id="SEM-1569")
async def test_civitas_state_shows_what_was_said(scripted):
    def script(body: dict[str, Any]) -> Any:
        return ToolCall("look", {"at": "it"}) if len(body["messages"]) == 1 else "done"

    @function_tool
    async def look(at: str) -> str:
        """Look."""
        return f"found {at}"

    store = InMemoryStateStore()
    agent = OpenAIAgent("o", agent=Agent(name="a", model=scripted(script), tools=[look]))
    async with Runtime(Supervisor("root", children=[agent]), state_store=store) as runtime:
        await runtime.ask("o", {"input": "one"}, conversation="c")
    assert await transcript(store, "o", "c") == [
        "user: one",
        'assistant calls look({"at": "it"})',
        "tool look: found it",
        "assistant: done",
    ]


@pytest.mark.promise(id="SEM-1572")
async def test_a_long_conversation_keeps_its_newest_turns_whole(scripted):
    heard = Heard()

    @function_tool
    async def look() -> str:
        """Look."""
        return "found"

    def script(body: dict[str, Any]) -> Any:
        if body["messages"][-1]["role"] == "tool":
            return "seen"
        return ToolCall("look", {}) if "look" in str(body["messages"][-1]) else heard(body)

    store = InMemoryStateStore()
    agent = OpenAIAgent("o", agent=Agent(name="a", model=scripted(script), tools=[look]))
    root = Supervisor("root", children=[agent])
    async with Runtime(root, state_store=store, conversations=Retention(longest=4)) as runtime:
        for text in ("one", "look", "three"):
            await runtime.ask("o", {"input": text}, conversation="c")
    # The call, its result and the answer are of one turn, which does not fit beside the last one.
    assert await transcript(store, "o", "c") == ["user: three", "assistant: answer 2"]


class Held:
    """A model that calls a tool, waits until it is told to go on, and then ends as it is told."""

    def __init__(self, end: Any) -> None:
        self.end = end
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, items: Any) -> Any:
        if items[-1].get("type") != "function_call_output":
            return [function("look", f"c{len(items)}")]
        self.began.set()
        await self.go_on.wait()
        if isinstance(self.end, Exception):
            raise self.end
        return self.end


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("end", ["slow answer", ValueError("spoilt")])
@pytest.mark.promise(id="SEM-1574")
@pytest.mark.promise(id="SEM-1599")
async def test_a_conversation_that_another_process_wrote_meanwhile_is_not_written_over(
    durable, end, tmp_path
):
    @function_tool
    async def look() -> str:
        """Look."""
        return "found"

    held, heard = Held(end), Says(lambda items: f"answer {len(items)}")
    stores = [SQLiteStateStore(tmp_path / "civitas.db") for _ in range(2)]
    agents = [Agent(name="a", model=model, tools=[look]) for model in (Says(held), heard)]
    trees = [
        Supervisor("root", children=[OpenAIAgent("o", agent=agent, durable=durable)])
        for agent in agents
    ]
    async with (
        Runtime(trees[0], state_store=stores[0]) as slow,
        Runtime(trees[1], state_store=stores[1]) as quick,
    ):
        asking = asyncio.create_task(slow.ask("o", {"input": "slow"}, conversation="c"))
        await held.began.wait()
        await quick.ask("o", {"input": "quick"}, conversation="c")
        held.go_on.set()
        with pytest.raises(
            HandlerFailed, match=r"conversation 'c' of agent 'o' was written|spoilt"
        ):
            await asking
        await quick.ask("o", {"input": "last"}, conversation="c")
    for store in stores:
        await store.close()
    said = [each["content"] for each in heard.inputs[-1] if each.get("role") == "user"]
    assert said == ["quick", "last"]


@pytest.mark.promise(id="SEM-1576")
async def test_a_long_conversation_that_nobody_uses_is_shortened_in_the_background(scripted):
    heard, store = Heard(), InMemoryStateStore()
    agent = Agent(name="a", model=scripted(heard))

    def system(**keep: Any) -> Runtime:
        root = Supervisor("root", children=[OpenAIAgent("o", agent=agent)])
        return Runtime(root, state_store=store, conversations=Retention(**keep))

    async with system() as runtime:
        for text in ("one", "two", "three"):
            await runtime.ask("o", {"input": text}, conversation="c")
    async with system(longest=2):
        while len(await transcript(store, "o", "c")) > 2:
            await asyncio.sleep(0)
    assert await transcript(store, "o", "c") == ["user: three", "assistant: answer 3"]
