"""What there may be thousands of at once leaves the loop to others in between; counted in turns, not in seconds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from civitas import AgentProcess, DynamicSupervisor, Message, Runtime, Supervisor
from civitas.process import turns
from civitas.supervision.dynamic import DynamicSupervisorProcess

MANY = 200


class Quiet(AgentProcess):
    async def handle(self, message: Message) -> Message:
        return self.reply(bytes(message.payload))


class Ticking(AgentProcess):
    """Notes the turn in which each message is handled."""

    def __init__(self, name: str, turn: Callable[[], int]) -> None:
        super().__init__(name)
        self.turn = turn
        self.seen: list[int] = []

    async def handle(self, message: Message) -> Message:
        self.seen.append(self.turn())
        return self.reply(bytes(message.payload))


class Held(AgentProcess):
    """Handles its first message until it is released."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.seen: list[int] = []
        self.holds, self.release = asyncio.Event(), asyncio.Event()

    async def handle(self, message: Message) -> Message:
        self.seen.append(message.payload)
        self.holds.set()
        await self.release.wait()
        return self.reply(None)


class Turn:
    """Counts the turns of the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.count = 0
        self._next = self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        self.count += 1
        self._next = self._loop.call_soon(self._tick)

    def close(self) -> None:
        self._next.cancel()


@pytest.mark.promise(id="SEM-1233")
async def test_children_that_are_started_and_ended_together_take_many_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "_LONG", 0.0)  # each turn is long enough at once
    tree = Supervisor("root", children=[DynamicSupervisor("d")])
    async with Runtime(tree) as runtime:
        agents = [Quiet(f"a{n}") for n in range(MANY)]
        starts = [asyncio.create_task(runtime.start_child("d", each)) for each in agents]
        await asyncio.sleep(0)
        assert len(runtime.which_children("d")) <= 2
        await asyncio.gather(*starts)
        assert len(runtime.which_children("d")) == MANY
        ends = [asyncio.create_task(runtime.terminate_child("d", each.name)) for each in agents]
        await asyncio.sleep(0)
        states = [each["status"] for each in runtime.which_children("d")]
        assert states.count("running") >= MANY - 2
        await asyncio.gather(*ends)
        assert runtime.which_children("d") == []


@pytest.mark.promise(id="SEM-1283")
async def test_asks_that_are_cancelled_together_are_taken_back_in_many_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "_LONG", 0.0)  # each turn is long enough at once
    agent = Held("a", mailbox_size=MANY + 1, cancel_on_timeout=True)
    async with Runtime(Supervisor("root", children=[agent])) as runtime:
        turn = Turn()
        dead: list[tuple[str, int]] = []
        runtime.on("dead_letter", lambda event: dead.append((event.reason, turn.count)))
        holding = asyncio.create_task(runtime.ask("a", 0))
        await agent.holds.wait()
        asks = [asyncio.create_task(runtime.ask("a", n)) for n in range(1, MANY + 1)]
        await asyncio.sleep(0)
        for each in reversed(asks):
            each.cancel()
        await asyncio.wait(asks)
        before = turn.count
        while len(dead) < MANY:
            await asyncio.sleep(0)
        turn.close()
        assert {reason for reason, _ in dead} == {"no_reader"}
        assert max(Counter(at for _, at in dead).values()) <= 3
        assert turn.count - before >= MANY // 3
        agent.release.set()
        await holding
        assert agent.seen == [0]  # what waited was not handled


@pytest.mark.promise(id="SEM-1233")
async def test_ending_a_child_from_outside_looks_at_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree = Supervisor("root", children=[DynamicSupervisor("d")])
    async with Runtime(tree) as runtime:
        await runtime.start_child("d", Quiet("a"))
        looks: list[object] = []

        def children(self: DynamicSupervisorProcess) -> list[object]:
            looks.append(self)
            return []

        monkeypatch.setattr(DynamicSupervisorProcess, "children", property(children))
        await runtime.terminate_child("d", "a")
        assert looks == []


@pytest.mark.promise(id="SEM-1233")
@pytest.mark.parametrize(("size", "fewest"), [(1_000_000, 10), (1, 1)])
async def test_after_a_large_reply_the_others_have_their_turn(size: int, fewest: int) -> None:
    turn = Turn()
    agent = Ticking("a", lambda: turn.count)
    seen = agent.seen
    async with Runtime(Supervisor("root", children=[agent])) as runtime:
        asks = [asyncio.create_task(runtime.ask("a", size)) for _ in range(10)]
        await asyncio.gather(*asks)
    turn.close()
    assert fewest <= len(set(seen)) <= max(fewest, 3)
