"""Where the next message of a conversation begins after a handoff."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from agents import Agent, handoff

from civitas.errors import ConfigurationError
from civitas_openai import OpenAIAgent, handoff_to
from tests.core.frameworks.support import running
from tests.openai.support import Says, function
from tests.openai.test_calls import Echo


def desk(*names: str, last: str = "refunds") -> Agent[Any]:
    """Agents that hand over one to the next, by name to `last`; each says its name."""

    def script_of(name: str, following: str | None) -> Any:
        def script(input: Any) -> Any:
            wants = "transfer" in str(next(e for e in reversed(input) if e.get("role") == "user"))
            done = any(e.get("name") == f"transfer_to_{following}" for e in input)
            if wants and following is not None and not done:
                return [function(f"transfer_to_{following}", f"to-{following}")]
            return name

        return script

    chain = [*names, last]
    agent: Agent[Any] | None = None
    for n in reversed(range(len(chain))):
        following = chain[n + 1] if n + 1 < len(chain) else None
        handoffs: list[Any] = []
        if agent is not None:
            handoffs = [agent if n % 2 else handoff(agent)]
        agent = Agent(name=chain[n], model=Says(script_of(chain[n], following)), handoffs=handoffs)
    assert agent is not None
    return agent


async def say(runtime: Any, text: str, **keywords: Any) -> Any:
    return (await runtime.ask("o", {"input": text}, **keywords)).payload["output"]


@pytest.mark.promise(id="SEM-1045")
@pytest.mark.parametrize("durable", [False, True])
async def test_the_next_message_goes_on_with_the_agent_that_answered_last(durable):
    async with running(OpenAIAgent("o", agent=desk("front", "desk"), durable=durable)) as runtime:
        assert await say(runtime, "transfer me", conversation="ann") == "refunds"
        assert await say(runtime, "and now?", conversation="ann") == "refunds"
        assert await say(runtime, "hello", conversation="bob") == "front"
        assert await say(runtime, "hello") == "front"


@pytest.mark.promise(id="SEM-1045")
async def test_the_next_message_begins_at_the_first_agent_where_that_was_asked_for():
    async with running(OpenAIAgent("o", agent=desk("front"), next_turn="first_agent")) as runtime:
        assert await say(runtime, "transfer me", conversation="ann") == "refunds"
        assert await say(runtime, "and now?", conversation="ann") == "front"


@pytest.mark.promise(id="SEM-1045")
async def test_an_agent_that_is_gone_is_replaced_by_the_first_and_the_log_says_so(caplog):
    agents = iter([desk("front"), desk("front", last="returns")])
    async with running(OpenAIAgent("o", agent=lambda: next(agents))) as runtime:
        assert await say(runtime, "transfer me", conversation="ann") == "refunds"
        await runtime.restart("o")
        with caplog.at_level(logging.INFO, logger="civitas"):
            assert await say(runtime, "and now?", conversation="ann") == "front"
    assert "there is no SDK agent 'refunds' any more" in caplog.text


async def test_an_agent_elsewhere_answers_once():
    def script(input: Any) -> Any:
        return [function("transfer_to_echo", "t")] if len(input) == 1 else "front"

    front = Agent[Any](name="front", model=Says(script), handoffs=[handoff_to("echo")])
    async with running(OpenAIAgent("o", agent=front), Echo("echo")) as runtime:
        assert await say(runtime, "hi", conversation="ann") == {"said": "hi"}
        assert await say(runtime, "again", conversation="ann") == "front"


def test_what_is_neither_is_refused():
    with pytest.raises(ConfigurationError, match="next_turn must be 'last_agent' or 'first_agent'"):
        OpenAIAgent("o", agent=Agent(name="a"), next_turn="lastagent")  # type: ignore[arg-type]
