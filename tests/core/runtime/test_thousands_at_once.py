"""What there may be thousands of at once leaves the loop to others in between; counted in turns, not in seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

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
