"""The SDK's options of a run, from Python and from a topology."""

from __future__ import annotations

from typing import Any

import pytest
from agents import (
    Agent,
    AgentHooks,
    GuardrailFunctionOutput,
    RunConfig,
    RunHooks,
    SQLiteSession,
    output_guardrail,
)
from agents import function_tool as _function_tool
from agents.memory import SessionSettings

from civitas import wrap
from civitas.errors import ConfigurationError, HandlerFailed
from civitas.runtime import Runtime
from civitas_openai import OpenAIAgent
from tests.core.frameworks.support import running
from tests.openai.support import Says, function

HEARD: list[str] = []


@pytest.fixture(autouse=True)
def heard() -> list[str]:
    HEARD.clear()
    return HEARD


class Audit(RunHooks[Any]):
    """Notes what it hears of a run."""

    async def on_agent_start(self, context: Any, agent: Any) -> None:
        HEARD.append(f"{agent.name} begins")

    async def on_agent_end(self, context: Any, agent: Any, output: Any) -> None:
        HEARD.append(f"{agent.name} says {output}")

    async def on_handoff(self, context: Any, from_agent: Any, to_agent: Any) -> None:
        HEARD.append(f"{from_agent.name} to {to_agent.name}")

    async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
        HEARD.append(f"{tool.name} is called")

    async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: object) -> None:
        HEARD.append(f"{tool.name} is done")

    async def on_llm_start(self, *arguments: Any) -> None:
        HEARD.append("?")

    async def on_llm_end(self, *arguments: Any) -> None:
        HEARD.append("!")


class Own(AgentHooks[Any]):
    async def on_start(self, context: Any, agent: Any) -> None:
        HEARD.append(f"own: {agent.name} begins")

    async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
        HEARD.append(f"own: {tool.name} is called")


@_function_tool
async def look() -> str:
    """Look."""
    return "seen"


def chain() -> Agent[Any]:
    expert = Agent[Any](name="expert", model=Says(["done"]), hooks=Own())
    script = [[function("look", "1")], [function("transfer_to_expert", "2")]]
    return Agent[Any](name="a", model=Says(script), tools=[look], handoffs=[expert], hooks=Own())


audit = Audit()
session = SQLiteSession("named")
config = RunConfig(workflow_name="named")


def give_up(given: Any) -> str:
    return f"gave up: {type(given.error).__name__}"


handlers = {"max_turns": give_up}


@pytest.mark.promise(id="SEM-1050")
@pytest.mark.parametrize("hooks", [audit, "tests.openai.test_options:audit"])
async def test_hooks_hear_of_a_run_and_of_each_agent(heard, hooks):
    async with running(OpenAIAgent("o", agent=chain(), hooks=hooks)) as runtime:
        stream = [each async for each in runtime.stream("o", {"input": "hi"})]
    assert [each.type for each in stream] == ["step", "tool", "tool", "step", "token", "reply"]
    assert [each for each in heard if not each.startswith("own")] == [
        "a begins",
        "?",
        "!",
        "look is called",
        "look is done",
        "?",
        "!",
        "a to expert",
        "expert begins",
        "?",
        "!",
        "expert says done",
    ]
    assert [each for each in heard if each.startswith("own")] == [
        "own: a begins",
        "own: look is called",
        "own: expert begins",
    ]


@pytest.mark.promise(id="SEM-1050")
@pytest.mark.parametrize(
    "given",
    [
        handlers,
        "tests.openai.test_options:handlers",
        {"max_turns": "tests.openai.test_options:give_up"},
    ],
)
async def test_an_error_handler_ends_a_run_in_place_of_an_error(given):
    agent = Agent[Any](name="a", model=Says([[function("look", "1")]]), tools=[look])
    child = OpenAIAgent("o", agent=agent, max_turns=1, error_handlers=given)
    async with running(child) as runtime:
        reply = await runtime.ask("o", {"input": "hi"})
    assert reply.payload["output"] == "gave up: MaxTurnsExceeded"


agent = Agent[Any](name="a", model=Says(lambda input: "fine"), tools=[look])


@pytest.mark.promise(id="SEM-1050")
async def test_all_options_may_be_given_in_a_topology(heard):
    here = "tests.openai.test_options"
    entry = {
        "name": "o",
        "wrap": f"{here}:agent",
        "durable": True,
        "max_turns": 3,
        "run_config": {"workflow_name": "x", "model_settings": {"temperature": 0.5}},
        "session": f"{here}:session",
        "context": f"{here}:Audit",
        "hooks": f"{here}:audit",
        "error_handlers": f"{here}:handlers",
        "next_turn": "first_agent",
    }
    config = {"name": "options", "supervision": {"name": "root", "children": [{"agent": entry}]}}
    async with Runtime.from_config(config) as runtime:
        reply = await runtime.ask("o", {"input": "hi"})
    assert reply.payload["output"] == "fine"
    assert heard[0] == "a begins"
    assert len(await session.get_items()) == 2
    session.close()


@pytest.mark.promise(id="SEM-1050")
@pytest.mark.parametrize(
    "word", ["conversation_id", "previous_response_id", "auto_previous_response_id"]
)
def test_what_would_keep_the_memory_elsewhere_is_refused_with_the_reason(word):
    with pytest.raises(ConfigurationError, match=rf"takes no '{word}'.*conversation='user-42'"):
        OpenAIAgent("o", agent=agent, **{word: "x"})  # type: ignore[arg-type]


@pytest.mark.promise(id="SEM-1050")
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"hook": audit}, "takes no 'hook'; did you mean 'hooks'"),
        ({"hooks": Own()}, r"hooks must be a RunHooks object.*Agent\(hooks="),
        ({"hooks": "tests.openai.test_options:nobody"}, "cannot be resolved.*module:name"),
        ({"run_config": {"workflow": "x"}}, "run_config does not fit.*'workflow'"),
        ({"run_config": "tests.openai.test_options:audit"}, "run_config must be a RunConfig"),
        (
            {"max_turns": 0},
            "max_turns must be a whole number of at least 1, or None for no limit; got 0",
        ),
        ({"max_turns": "3"}, "got '3'"),
        ({"session": SQLiteSession}, "session must be a Session of the SDK"),
        ({"error_handlers": give_up}, "error_handlers must be a dict"),
        ({"error_handlers": {"max_turn": give_up}}, "no 'max_turn'; did you mean 'max_turns'"),
    ],
)
def test_what_does_not_fit_is_refused(options, error):
    with pytest.raises(ConfigurationError, match=error):
        wrap(agent, name="o", **options)


class Compacting:
    """A session that notes what is in it when it is asked to compact itself."""

    session_id = "s"
    session_settings: SessionSettings | None = None

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.compacted: list[tuple[int, Any]] = []

    async def get_items(self, limit: int | None = None) -> list[Any]:
        return list(self.items)

    async def add_items(self, items: list[Any]) -> None:
        self.items += items

    async def pop_item(self) -> Any:
        return self.items.pop()

    async def clear_session(self) -> None:
        self.items.clear()

    async def run_compaction(self, args: Any = None) -> None:
        self.compacted.append((len(self.items), args["response_id"]))


@pytest.mark.promise(id="SEM-1042")
@pytest.mark.parametrize("durable", [False, True])
async def test_a_session_compacts_itself_when_the_turn_is_in_it(responding, durable):
    own = Compacting()
    child = OpenAIAgent(
        "o", agent=Agent(name="a", model=responding(["one", "two"])), session=own, durable=durable
    )
    async with running(child) as runtime:
        await runtime.ask("o", {"input": "hi"})
        await runtime.ask("o", {"input": "again"})
    assert [count for count, _ in own.compacted] == [2, 4]
    assert all(id for _, id in own.compacted)


@pytest.mark.promise(id="SEM-1042")
async def test_a_durable_run_that_fails_compacts_nothing(responding):
    @output_guardrail
    async def never(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    own = Compacting()
    agent = Agent[Any](name="a", model=responding(["one"]), output_guardrails=[never])
    async with running(OpenAIAgent("o", agent=agent, session=own, durable=True)) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("o", {"input": "hi"})
    assert (own.items, own.compacted) == ([], [])
