"""Tools of the SDK that are not functions: their approvals, their chunks, and durable runs."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

import pytest
from agents import (
    Agent,
    ApplyPatchTool,
    AsyncComputer,
    Computer,
    ComputerProvider,
    ComputerTool,
    CustomTool,
    LocalShellTool,
    ShellCallOutcome,
    ShellCommandOutput,
    ShellResult,
    ShellTool,
    function_tool,
)
from agents.editor import ApplyPatchResult
from openai.types.responses.response_output_item import McpApprovalRequest, McpCall

from civitas.errors import HandlerFailed
from civitas.frameworks import idempotency_key
from civitas_openai import OpenAIAgent
from tests.core.frameworks.support import running
from tests.openai.support import (
    Says,
    computer,
    custom,
    function,
    local_shell,
    patch,
    shell,
)

CLICK = {"type": "click", "x": 1, "y": 2, "button": "left"}
ALL = [
    shell("1", "ls -l"),
    local_shell("2", "ls", "x"),
    patch("3", "a.txt", "+hi"),
    custom("run_sql", "4", '{"not": "json for it"}'),
    computer("5", CLICK, {"type": "type", "text": "yo"}),
]
MEANT = {
    "shell": {"commands": ["ls -l"], "timeout_ms": 1000},
    "local_shell": {"type": "exec", "command": ["ls", "x"], "env": {}},
    "apply_patch": {"type": "create_file", "path": "a.txt", "diff": "+hi"},
    "run_sql": {"input": '{"not": "json for it"}'},
    "computer": {"actions": [CLICK, {"type": "type", "text": "yo"}]},
}
GAVE = {
    "shell": "out",
    "local_shell": "listed",
    "apply_patch": "made",
    "run_sql": "ran",
    "computer": "AAAA",
}


class Kit:
    """A tool of each kind; notes what was done, and with which key."""

    def __init__(self, **approvals: Any) -> None:
        self.done: list[str] = []
        self.keys: list[str] = []
        self.fails = False
        self.tools: list[Any] = [
            ShellTool(executor=self.shell, **approvals),
            LocalShellTool(executor=self.local_shell),
            ApplyPatchTool(editor=self, **approvals),
            CustomTool("run_sql", "Run it.", self.sql, **approvals),
            ComputerTool(computer=Screen(self)),
        ]

    def did(self, what: str) -> None:
        self.done.append(what)
        self.keys.append(idempotency_key())
        if self.fails:
            raise OSError(f"{what} does not work")

    async def shell(self, request: Any) -> ShellResult:
        self.did(f"shell {request.data.action.commands}")
        outcome = ShellCallOutcome(type="exit", exit_code=0)
        return ShellResult(output=[ShellCommandOutput(stdout="out", outcome=outcome)])

    def local_shell(self, request: Any) -> str:
        self.did(f"local {request.data.action.command}")
        return "listed"

    async def create_file(self, operation: Any) -> ApplyPatchResult:
        self.did(f"create {operation.path}")
        return ApplyPatchResult(status="completed", output="made")

    async def update_file(self, operation: Any) -> None: ...

    async def delete_file(self, operation: Any) -> None: ...

    async def sql(self, context: Any, text: str) -> str:
        self.did(f"sql {text}")
        return "ran"


class Screen(Computer):
    """A driver that blocks, and takes no modifier keys."""

    def __init__(self, kit: Any) -> None:
        self.kit = kit

    def screenshot(self) -> str:
        self.kit.did("screenshot")
        return "AAAA"

    def click(self, x: int, y: int, button: Any) -> None:
        self.kit.did(f"click {x} {y} {button}")

    def double_click(self, x: int, y: int) -> None: ...

    def scroll(self, x: int, y: int, scroll_x: int, scroll_y: int) -> None: ...

    def type(self, text: str) -> None:
        self.kit.did(f"type {text}")

    def wait(self) -> None: ...

    def move(self, x: int, y: int) -> None: ...

    def keypress(self, keys: list[str]) -> None: ...

    def drag(self, path: list[tuple[int, int]]) -> None: ...


DONE = sorted(
    [
        "shell ['ls -l']",
        "local ['ls', 'x']",
        "create a.txt",
        'sql {"not": "json for it"}',
        "click 1 2 left",
        "type yo",
        "screenshot",
    ]
)


class Flaky:
    """A tool that crashes the run the first time."""

    def __init__(self) -> None:
        self.failed = 0

        @function_tool(failure_error_function=None)
        async def flaky() -> str:
            """Fail once."""
            self.failed += 1
            if self.failed == 1:
                raise OSError("once")
            return "recovered"

        self.tool = flaky


async def hear(runtime: Any, payload: Any, kind: str = "message") -> list[tuple[str, Any]]:
    async with aclosing(runtime.stream("o", payload, kind, conversation="c")) as stream:
        return [(each.type, each.payload) async for each in stream]


@pytest.mark.promise(id="SEM-1047")
async def test_calls_of_every_kind_are_made_once_in_a_durable_run_that_crashes():
    kit, flaky = Kit(), Flaky()
    model = Says([ALL, [function("flaky", "f")], "done"])
    agent = Agent(name="a", model=model, tools=[*kit.tools, flaky.tool])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        reply = await runtime.ask("o", {"input": "hi"})
    assert flaky.failed == 2
    assert reply.payload["output"] == "done"
    assert sorted(kit.done) == DONE
    assert len(set(kit.keys)) == len(kit.keys)
    before, after = model.inputs[1], model.inputs[2][: len(model.inputs[1])]
    assert json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)


@pytest.mark.promise(id="SEM-1047")
async def test_what_a_failing_tool_told_the_model_is_recorded_too():
    kit, flaky = Kit(), Flaky()
    kit.fails = True
    model = Says([[ALL[0], ALL[2], ALL[3]], [function("flaky", "f")], "done"])
    agent = Agent(name="a", model=model, tools=[*kit.tools, flaky.tool])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert len(kit.done) == 3
    before, after = model.inputs[1], model.inputs[2][: len(model.inputs[1])]
    assert json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert "does not work" in json.dumps(after)


async def test_the_key_of_a_call_in_flight_is_the_same_when_it_is_made_again():
    kit = Kit()
    kit.fails = True
    agent = Agent(name="a", model=Says([[ALL[1]], "done"]), tools=kit.tools)
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("o", {"input": "hi"})
    assert len(kit.keys) > 1
    assert len(set(kit.keys)) == 1


async def test_a_computer_that_is_made_for_each_run_is_watched_and_disposed_of():
    kit, flaky = Kit(), Flaky()
    disposed: list[Any] = []

    async def create(*, run_context: Any) -> Computer:
        return Screen(kit)

    async def dispose(*, run_context: Any, computer: Any) -> None:
        disposed.append(computer)

    provider = ComputerProvider[Any](create=create, dispose=dispose)
    tools: list[Any] = [ComputerTool(computer=provider), flaky.tool]
    model = Says([[ALL[4]], [function("flaky", "f")], "done"])
    child = OpenAIAgent("o", agent=Agent(name="a", model=model, tools=tools), durable=True)
    async with running(child) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert kit.done == ["click 1 2 left", "type yo", "screenshot"]
    assert {type(each) for each in disposed} == {Screen}
    assert not issubclass(Screen, AsyncComputer)


@pytest.mark.promise(id="SEM-1046")
@pytest.mark.parametrize("durable", [False, True])
async def test_a_question_shows_what_would_be_done(durable):
    kit = Kit(needs_approval=True)
    agent = Agent(name="a", model=Says([ALL, "done"]), tools=kit.tools)
    async with running(OpenAIAgent("o", agent=agent, durable=durable)) as runtime:
        asked = await runtime.ask("o", {"input": "hi"}, conversation="c")
        questions = {each["value"]["name"]: each for each in asked.payload["interrupts"]}
        assert {name: each["value"]["arguments"] for name, each in questions.items()} == {
            name: MEANT[name] for name in ("shell", "apply_patch", "run_sql")
        }
        wrong = {each["id"]: True for each in questions.values()}
        wrong[questions["shell"]["id"]] = "sure"  # type: ignore[assignment]
        with pytest.raises(HandlerFailed, match="an approval takes"):
            await runtime.ask("o", {"values": wrong}, "resume", conversation="c")
        assert not any(each.startswith(("shell", "create", "sql")) for each in kit.done)
        answers = {"values": {each["id"]: True for each in questions.values()}}
        reply = await runtime.ask("o", answers, "resume", conversation="c")
    assert reply.payload["output"] == "done"
    assert sorted(kit.done) == DONE


async def test_a_question_of_a_server_of_the_provider_shows_what_would_be_done():
    request = McpApprovalRequest(
        id="m1",
        arguments='{"path": "x"}',
        name="delete",
        server_label="files",
        type="mcp_approval_request",
    )
    from agents import HostedMCPTool

    config: Any = {"type": "mcp", "server_label": "files", "server_url": "http://127.0.0.1:1"}
    agent = Agent(
        name="a", model=Says([[request], "done"]), tools=[HostedMCPTool(tool_config=config)]
    )
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        asked = await runtime.ask("o", {"input": "hi"}, conversation="c")
        assert asked.payload["interrupts"] == [
            {"id": "m1", "value": {"name": "delete", "arguments": {"path": "x"}}}
        ]
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
    assert reply.payload["output"] == "done"


@pytest.mark.promise(id="SEM-1049")
@pytest.mark.parametrize("durable", [False, True])
async def test_a_call_of_any_kind_is_told_once_when_called_and_once_when_done(durable):
    kit, flaky = Kit(), Flaky()
    if not durable:
        flaky.failed = 1
    model = Says([ALL, [function("flaky", "f")], "done"])
    agent = Agent(name="a", model=model, tools=[*kit.tools, flaky.tool])
    async with running(OpenAIAgent("o", agent=agent, durable=durable)) as runtime:
        heard = await hear(runtime, {"input": "hi"})
    chunks = [payload for kind, payload in heard if kind == "tool" and payload["name"] != "flaky"]
    for name, arguments in MEANT.items():
        called, done = (each for each in chunks if each["name"] == name)
        assert called == {"name": name, "arguments": arguments}
        assert done == {"name": name, "arguments": arguments, "result": GAVE[name]}
    assert len(chunks) == 2 * len(MEANT)


async def test_an_agent_that_is_a_tool_is_told_to_be_done_when_its_question_is_answered():
    @function_tool(needs_approval=True)
    async def delete() -> str:
        """Delete it."""
        return "deleted"

    inner = Agent[Any](name="b", model=Says([[function("delete", "i")], "told"]), tools=[delete])
    outer = Says([[function("ask_b", "o", '{"input": "x"}')], "done"])
    agent = Agent[Any](name="a", model=outer, tools=[inner.as_tool("ask_b", "Ask.")])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        before = await hear(runtime, {"input": "hi"})
        after = await hear(runtime, {"value": True}, "resume")
    called = {"name": "ask_b", "arguments": {"input": "x"}}
    assert [payload for kind, payload in before if kind == "tool"] == [called]
    assert [payload for kind, payload in after if kind == "tool"] == [{**called, "result": "told"}]


@pytest.mark.promise(id="SEM-1049")
async def test_nothing_is_told_of_a_call_before_it_is_approved():
    kit = Kit(needs_approval=True)
    calls = [ALL[0], ALL[2], ALL[3]]
    agent = Agent(name="a", model=Says([calls, "done"]), tools=kit.tools)
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        heard = await hear(runtime, {"input": "hi"})
        assert [kind for kind, _ in heard] == ["step", "interrupt"]
        shell, *_ = [
            each["id"] for each in heard[-1][1]["interrupts"] if each["value"]["name"] == "shell"
        ]
        ids = [each["id"] for each in heard[-1][1]["interrupts"]]
        answers = {"values": {id: id == shell for id in ids}}
        heard = await hear(runtime, answers, "resume")
    assert [payload["name"] for kind, payload in heard if kind == "tool"] == ["shell", "shell"]


@pytest.mark.promise(id="SEM-1049")
@pytest.mark.parametrize("call", [ALL[1], ALL[4], function("burn", "b")])
async def test_a_call_that_fails_and_the_run_with_it_is_told_to_be_done(call):
    @function_tool(failure_error_function=None)
    async def burn() -> str:
        """Burn."""
        raise OSError("it does not work")

    kit = Kit()
    kit.fails = True
    agent = Agent(name="a", model=Says([[call]]), tools=[*kit.tools, burn])
    heard: list[Any] = []
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        with pytest.raises(HandlerFailed):
            async with aclosing(runtime.stream("o", {"input": "hi"})) as stream:
                while True:
                    heard.append(await anext(stream))
    _, called, done = (each.payload for each in heard)
    assert "result" not in called
    assert "does not work" in done["result"]


async def test_a_call_that_the_provider_made_is_told_with_its_arguments_and_its_result():
    call = McpCall(
        id="m1",
        arguments='{"path": "x"}',
        name="read",
        server_label="files",
        type="mcp_call",
        output="the text",
    )
    agent = Agent(name="a", model=Says([[call], "done"]))
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        heard = await hear(runtime, {"input": "hi"})
    arguments = {"path": "x"}
    assert [payload for kind, payload in heard if kind == "tool"] == [
        {"name": "read", "arguments": arguments},
        {"name": "read", "arguments": arguments, "result": "the text"},
    ]
