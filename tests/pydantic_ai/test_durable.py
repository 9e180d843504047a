"""Durable runs: what is finished is not done again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, RunContext, Tool, ToolReturn
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.toolsets import FunctionToolset

from civitas import HandlerFailed, InMemoryStateStore, Runtime, Supervisor, wrap
from civitas.frameworks import idempotency_key
from civitas_pydantic_ai import PydanticAIAgent
from tests.core.frameworks.support import restarts, running, told_over_a_crash
from tests.pydantic_ai.support import Says, call


class Found(BaseModel):
    at: str | None


class Tools:
    """Tools that note their calls, and one that fails the first time."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.keys: list[str] = []

    def found(self) -> Found:
        """A model of pydantic."""
        self.called.append("found")
        return Found(at=None)

    def nothing(self) -> None:
        """None."""
        self.called.append("nothing")

    def rich(self) -> ToolReturn:
        """A picture beside the result."""
        self.called.append("rich")
        picture = BinaryContent(b"hi", media_type="image/png")
        return ToolReturn({"n": 1}, content=["Look:", picture], metadata={"for": "the app"})

    def picture(self) -> Any:
        """A picture as the result."""
        self.called.append("picture")
        return BinaryContent(b"hi", media_type="image/png")

    def again(self) -> str:
        """Ask the model to try again."""
        self.called.append("again")
        raise ModelRetry("another one")

    def failed(self) -> str:
        """Tell the model that it failed."""
        self.called.append("failed")
        raise ToolFailed("out of stock")

    def flaky(self, ctx: RunContext[Any]) -> str:
        """Fail the first time."""
        self.called.append("flaky")
        self.keys += [idempotency_key(), str(ctx.run_id)]
        if self.called.count("flaky") == 1:
            raise RuntimeError("flaky")
        return "recovered"

    @property
    def all(self) -> list[Any]:
        return [
            *(self.found, self.nothing, self.rich, self.picture, self.again, self.failed),
            self.flaky,
        ]


FIRST = ["found", "nothing", "rich", "picture", "again", "failed"]


def read(says: Says) -> list[Any]:
    """What the model read last, as JSON, without the times."""
    parts = [
        replace(part, timestamp=datetime.fromtimestamp(0, UTC))
        for message in says.asked[-1]
        for part in message.parts
        if isinstance(part, (ToolReturnPart, UserPromptPart))
    ]
    dumped = ModelMessagesTypeAdapter.dump_python([ModelRequest(parts=parts)], mode="json")
    return list(dumped[0]["parts"])


@pytest.mark.promise(id="SEM-1751")
async def test_a_run_tells_what_the_calls_cost_that_were_recorded_before_a_crash() -> None:
    killed: list[str] = []

    def deadly() -> str:
        """Kill the agent the first time."""
        killed.append("once")
        if len(killed) == 1:
            raise SystemExit("killed")
        return "survived"

    says = Says([[call("found", "a")], [call("deadly", "b")], "done"])
    agent = PydanticAIAgent("p", agent=says.agent(tools=[Tools().found, deadly]), durable=True)
    info = await told_over_a_crash(agent, {"input": "hi"})
    assert info.usage is not None
    assert (info.deliveries, len(says.asked), info.usage["requests"]) == (2, 3, 3)
    assert info.usage["total_tokens"] > 0
    assert info.cost == pytest.approx(info.usage["total_tokens"])


@pytest.mark.promise(id="SEM-1865")
async def test_finished_calls_are_not_made_again_and_the_model_reads_the_same() -> None:
    told = []
    for durable in (False, True):
        tools = Tools()
        if not durable:
            tools.called.append("flaky")  # as if it had failed before
        first = [call(name, f"c-{name}") for name in FIRST]
        says = Says([first, [call("flaky", "c-flaky")], "done"])
        agent = wrap(says.agent(tools=tools.all), name="a", durable=durable)
        async with running(agent) as runtime:
            reply = await runtime.ask("a", {"input": "hi"})
            assert restarts(runtime) == 0
        assert reply.payload == {"output": "done"}
        assert sorted(tools.called) == sorted([*FIRST, "flaky", "flaky"])
        assert len(says.asked) == 3
        assert "another one" in reply.headers["civitas-tool-failures"]
        assert "out of stock" in reply.headers["civitas-tool-failures"]
        told.append(read(says))
    assert told[0] == told[1]


@pytest.mark.promise(id="SEM-1866")
async def test_a_call_that_is_made_again_has_the_same_key() -> None:
    tools = Tools()
    says = Says([[call("flaky", "c1")], "done"])
    async with running(wrap(says.agent(tools=tools.all), name="a", durable=True)) as runtime:
        await runtime.ask("a", {"input": "hi"})
    first, run, second, again = tools.keys
    assert (first, run) == (second, again)


@pytest.mark.promise(id="SEM-1699")
async def test_calls_that_are_made_at_once_have_a_key_each() -> None:
    tools = Tools()
    says = Says([[call("flaky", "c1"), call("flaky", "c2")], "done"])
    async with running(wrap(says.agent(tools=tools.all), name="a", durable=True)) as runtime:
        await runtime.ask("a", {"input": "hi"})
    keys = tools.keys[::2]
    assert len(keys) > len(set(keys)) == 2  # the first one was made again


class Listening(WrapperModel):
    """A model that sends headers, or says that it does not."""

    def __init__(self, says: Says) -> None:
        super().__init__(says.model)
        self.heard: list[Any] = []

    async def request(
        self, messages: Any, model_settings: Any, model_request_parameters: ModelRequestParameters
    ) -> Any:
        self.heard.append((model_settings or {}).get("extra_headers"))
        return await super().request(messages, model_settings, model_request_parameters)


@pytest.mark.promise(id="SEM-1866")
async def test_the_models_call_carries_the_key_beside_the_users_headers() -> None:
    model = Listening(Says([[call("found", "c1")], "done"]))
    settings: Any = {"extra_headers": {"X-Team": "ours"}}
    agent = Agent(model, tools=[Tools().found], model_settings=settings)
    async with running(wrap(agent, name="a", durable=True)) as runtime:
        await runtime.ask("a", {"input": "hi"})
    assert [each["X-Team"] for each in model.heard] == ["ours", "ours"]
    assert len({each["Idempotency-Key"] for each in model.heard}) == 2
    assert settings == {"extra_headers": {"X-Team": "ours"}}


@pytest.mark.promise(id="SEM-1866")
async def test_a_model_that_sends_no_headers_is_given_none(monkeypatch: Any) -> None:
    says = Says(["done"])
    model = Listening(says)
    monkeypatch.setattr(type(says.model), "unsupported_settings", frozenset({"extra_headers"}))
    async with running(wrap(Agent(model), name="a", durable=True)) as runtime:
        await runtime.ask("a", {"input": "hi"})
    assert model.heard == [None]


@pytest.mark.promise(id="SEM-1865")
async def test_the_tools_of_toolsets_and_what_a_tool_runs_are_one_call_each() -> None:
    tools = Tools()
    inner = Says(["inner"])

    async def expert() -> str:
        """Ask another agent."""
        return str((await inner.agent().run("what?")).output)

    says = Says([[call("expert", "c1")], [call("t_flaky", "c2")], "done"])
    toolset = FunctionToolset([tools.flaky]).prefixed("t")
    agent = wrap(says.agent(tools=[expert], toolsets=[toolset]), name="a", durable=True)
    async with running(agent) as runtime:
        assert (await runtime.ask("a", {"input": "hi"})).payload == {"output": "done"}
    assert (len(inner.asked), tools.called) == (1, ["flaky", "flaky"])


@pytest.mark.promise(id="SEM-1870")
async def test_an_agent_that_is_stopped_ends_before_its_next_model_call_and_goes_on_later() -> None:
    began, ending = asyncio.Event(), asyncio.Event()
    called: list[str] = []

    class Noted(PydanticAIAgent):
        def wind_down(self) -> None:
            super().wind_down()
            ending.set()

    async def slow() -> str:
        """Take until the agent is to end."""
        called.append("slow")
        began.set()
        await ending.wait()
        return "slow is done"

    says = Says([[call("slow", "c1")], "done"])
    agent = Noted("a", agent=says.agent(tools=[slow]), durable=True)
    async with running(agent) as runtime:
        asking = asyncio.ensure_future(runtime.ask("a", {"input": "hi"}))
        await began.wait()
        await runtime.restart("a")
        assert (await asking).payload == {"output": "done"}
    assert called == ["slow"]
    assert len(says.asked) == 2


@dataclass
class Notes:
    """What the tools of a run share; a client of a service is no plain part of it."""

    client: Any = field(default_factory=object)
    lines: list[str] = field(default_factory=list)


def note(ctx: RunContext[Notes], line: str) -> str:
    """Note a line."""
    ctx.deps.lines.append(line)
    return f"{len(ctx.deps.lines)} noted"


@pytest.mark.promise(id="SEM-1877")
@pytest.mark.parametrize("told", [False, True])
async def test_what_finished_tools_did_to_the_deps_of_a_run_is_there_when_it_goes_on(
    told: bool,
) -> None:
    lines: list[list[str]] = []

    def flaky(ctx: RunContext[Notes]) -> str:
        """Fail the first time."""
        lines.append(list(ctx.deps.lines))
        if len(lines) == 1:
            raise RuntimeError("flaky")
        return "recovered"

    first = [call("note", "c1", line="a"), call("note", "c2", line="b")]
    says = Says([first, [call("flaky", "c3")], [call("note", "c4", line="c")], "done"])
    agent = says.agent(tools=[note, flaky], deps_type=Notes)
    keywords: Any = {} if told else {"deps": Notes}
    payload = {"input": "hi", **({"deps": {"lines": ["0"]}} if told else {})}
    async with running(wrap(agent, name="a", durable=True, **keywords)) as runtime:
        await runtime.ask("a", payload)
    before = ["0", "a", "b"] if told else ["a", "b"]
    assert [sorted(each) for each in lines[:2]] == [before, before]
    assert f"{len(before) + 1} noted" in says.texts[3]


def notes(message: Any) -> Notes:
    return Notes(lines=list(message.payload["deps"]["lines"]))


@pytest.mark.promise(id="SEM-1877")
@pytest.mark.parametrize("make", [None, notes])
@pytest.mark.parametrize("fails", [False, True])
async def test_a_run_that_asks_has_its_deps_when_it_goes_on(fails: bool, make: Any) -> None:
    broken = [RuntimeError("down")] if fails else []
    seen: list[Notes] = []

    def file(ctx: RunContext[Notes]) -> str:
        """File it."""
        seen.append(ctx.deps)
        return "filed"

    def script(messages: Any) -> Any:
        if len(messages) == 1:
            return [call("note", "c1", line="a")]
        if len(messages) == 3:
            return [call("file", "c2")]
        if broken:
            raise broken.pop()
        return [call("note", "c3", line="b")] if len(messages) == 5 else "done"

    says = Says(script)
    tools = [note, Tool(file, requires_approval=True)]
    agent = wrap(says.agent(tools=tools, deps_type=Notes), name="a", deps=make)
    async with running(agent) as runtime:
        asked = {"input": "hi", "deps": {"lines": ["0"]}}
        await runtime.ask("a", asked, conversation="c")
        if fails:
            with pytest.raises(HandlerFailed, match="down"):
                await runtime.ask("a", {"value": True}, "resume", conversation="c")
        reply = await runtime.ask("a", {"value": True}, "resume", conversation="c")
    assert reply.payload == {"output": "done"}
    assert [each.lines[:2] for each in seen] == [["0", "a"]]
    assert "3 noted" in says.texts[-1]


@dataclass
class Desk:
    key: str
    filed: int = 0


@pytest.mark.promise(id="SEM-1877")
async def test_deps_that_no_tool_changed_are_not_kept_and_are_those_that_are_made_now() -> None:
    key, seen = ["old key"], []

    def file(ctx: RunContext[Desk]) -> str:
        seen.append((ctx.deps.key, ctx.deps.filed))
        ctx.deps.filed += 1
        return "filed"

    first, second = [call("open", "c1")], [call("ask", "c2")]
    says = Says(
        [[call("file", "c0")], first, [call("file", "c3")], second, [call("file", "c4")], "done"]
    )
    tools: list[Any] = [
        file,
        *(Tool(lambda: "well", name=name, requires_approval=True) for name in ("open", "ask")),
    ]
    child = wrap(says.agent(tools=tools, deps_type=Desk), name="a", deps=lambda: Desk(key[0]))
    store = InMemoryStateStore()
    async with Runtime(Supervisor("root", [child]), state_store=store) as runtime:
        await runtime.ask("a", {"input": "hi"}, conversation="c")
        kept = [await store.get(each) for each in await store.keys("")]
        assert "filed" in str(kept)
        assert "old key" not in str(kept)
        for now in ("new key", "newest key"):
            key[0] = now
            await runtime.ask("a", {"value": True}, "resume", conversation="c")
    assert seen == [("old key", 0), ("new key", 1), ("newest key", 2)]


@pytest.mark.promise(id="SEM-1865")
@pytest.mark.parametrize("durable", [False, True])
async def test_what_no_payload_can_hold_loses_no_finished_run(durable: bool) -> None:
    huge = 2**70

    def odd(number: int) -> Any:
        return {"number": number, "bytes": b"\xff\xfe"}

    def half() -> str:
        return "\ud800"

    says = Says([[call("odd", "c1", number=huge), call("half", "c2")], "one", "two"])
    async with running(wrap(says.agent(tools=[odd, half]), name="a", durable=durable)) as runtime:
        await runtime.ask("a", {"input": "first"}, conversation="c")
        await runtime.ask("a", {"input": "second"}, conversation="c")
    called = says.asked[-1][1].parts[0]
    assert isinstance(called, ToolCallPart)
    assert called.args_as_dict() == {"number": huge}
    returned = [getattr(each, "content", None) for each in says.asked[-1][2].parts]
    assert returned == [{"number": str(huge), "bytes": "__4="}, "\\ud800"]


@pytest.mark.promise(id="SEM-1865")
@pytest.mark.parametrize("durable", [False, True])
async def test_a_result_that_no_model_can_read_is_refused_with_the_name_of_the_tool(
    durable: bool,
) -> None:
    def opens() -> Any:
        return object()

    says = Says([[call("opens", "c1")], "never"])
    async with running(wrap(says.agent(tools=[opens]), name="a", durable=durable)) as runtime:
        with pytest.raises(HandlerFailed, match="result of tool 'opens': no model can read it"):
            await runtime.ask("a", {"input": "hi"}, conversation="c")
