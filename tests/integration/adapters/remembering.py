"""A program whose agents are talked to in many conversations at once, until it is killed; it tells each answer.

Its arguments: the state file, and the names of the agents. Each answers with what it was told in the conversation and
how often it answered, as its framework shows that to a model.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

from civitas import ConversationPool, Runtime, SQLiteStateStore, Supervisor, wrap
from civitas.supervision import ChildSpec
from tests.power import PowerCuts

__all__ = ["check_power_cuts", "recalled"]

_TURNS = 10
"""In each conversation; then the next one begins."""
_SENDERS = 4


def recalled(told: list[str], answers: int) -> str:
    """The answer of a model that was shown so much."""
    return json.dumps({"told": told, "answers": answers})


def _graph() -> Any:
    from langgraph.graph import START, MessagesState, StateGraph

    def answer(state: MessagesState) -> Any:
        kinds = [each.type for each in state["messages"]]
        told = [str(each.content) for each in state["messages"] if each.type == "human"]
        return {"messages": [("ai", recalled(told, kinds.count("ai")))]}

    return StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile()


def _sdk_agent() -> Any:
    from agents import Agent

    from tests.openai.support import Says

    def answer(items: Any) -> str:
        roles = [each["role"] for each in items]
        told = [each["content"] for each in items if each["role"] == "user"]
        return recalled(told, roles.count("assistant"))

    return Agent(name="a", model=Says(answer))


def _crew() -> Any:
    return import_module("tests.crewai.crews").recalling()


_MADE: dict[str, tuple[Callable[[], Any], str]] = {
    "graph": (_graph, "input"),
    "sdk": (_sdk_agent, "input"),
    "crew": (_crew, "text"),
}
"""By the name of the agent: what makes it, and the key of its payload."""


@asynccontextmanager
async def _system(file: Path, names: Sequence[str]) -> AsyncIterator[Runtime]:
    agents: list[ChildSpec] = []
    for name in names:
        made = wrap(_MADE[name][0](), name=name, durable=True, per_conversation=True)
        assert isinstance(made, ConversationPool)
        agents.append(made)
    store = SQLiteStateStore(file)
    try:
        async with Runtime(Supervisor("root", agents), state_store=store) as runtime:
            yield runtime
    finally:
        await store.close()


async def _ask(
    runtime: Runtime, name: str, text: str, conversation: str, timeout: float | None = 60
) -> dict[str, Any]:
    """What an agent recalls of a conversation when it is told one thing more."""
    payload = {_MADE[name][1]: text}
    reply = await runtime.ask(name, payload, conversation=conversation, timeout=timeout)
    messages = reply.payload.get("messages")
    found: dict[str, Any] = json.loads(
        messages[-1]["content"] if messages else reply.payload["output"]
    )
    return found


async def check_power_cuts(file: Path, cuts: int, looks: int, *names: str) -> None:
    """Cut the power of this program while it writes, and see what its agents recall of their conversations then.

    Each has all that was answered in it, in order; what came last may be in it, whole, or not.

    Args:
        file: The state file.
        cuts: How often.
        looks: How many conversations are looked at after a cut, the newest of each agent.
        *names: The agents.
    """
    async with PowerCuts.of(__name__, file, random.Random(cuts), *names) as power:
        for _ in range(cuts):
            async for copy in power.cut(30):
                async with _system(copy, names) as runtime:
                    for name in names:
                        await _check(runtime, name, power.told, looks)


async def _check(runtime: Runtime, name: str, told: list[list[str]], looks: int) -> None:
    answered = {words[1]: int(words[2]) for words in told if words[0] == name}
    for conversation, turn in [*answered.items()][-looks:]:
        found = await _ask(runtime, name, "told_last", conversation)
        *earlier, last = found["told"]
        assert last == "told_last"
        assert earlier == [f"told_{conversation}_{each}" for each in range(len(earlier))]
        assert found["answers"] == len(earlier)
        assert turn < len(earlier) <= min(turn + 2, _TURNS)


async def _main(file: Path, names: Sequence[str]) -> None:
    """Ask for ever."""
    async with _system(file, names) as runtime:

        async def go_on(name: str, sender: int) -> None:
            for number in count():
                conversation, turn = f"{sender}_{number // _TURNS}", number % _TURNS
                text = f"told_{conversation}_{turn}"
                # It is stopped while copies of its file are looked at, which takes as long as it takes.
                await _ask(runtime, name, text, conversation, timeout=None)
                size = os.stat(f"{file}-wal").st_size  # noqa: PTH116
                os.write(1, f"{name} {conversation} {turn} {size}\n".encode())

        await asyncio.gather(*(go_on(name, each) for name in names for each in range(_SENDERS)))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2:]))
