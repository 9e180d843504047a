"""A root and two members, random messages, crashes, deaths and cuts: what must hold between nodes, always holds.

`make test-deep` looks longer; `CIVITAS_SEED=n` repeats a run, whose number a failure prints.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from civitas.errors import AgentTerminated, HandlerFailed, NodeDown, NoReply, UnknownAgent
from civitas.message import Message
from civitas.plugins import PluginManager
from tests.core.cluster.fallible import NODE_TIMEOUT, FallibleSystem, FallibleWorld
from tests.core.cluster.memory_broker import MemoryBroker
from tests.core.cluster.quick_loop import QuickLoop
from tests.core.properties.world import Given, Traits
from tests.deep import DEEP

SEED = int(os.environ.get("CIVITAS_SEED") or (random.randrange(2**32) if DEEP else 1))
PLUGINS: Any = PluginManager()  # looked for once

# How an ask may end, besides with a reply. Its timeout is long: time is never what ends it.
ANSWERS = (HandlerFailed, NoReply, AgentTerminated, UnknownAgent, NodeDown)
AGENTS = {
    "here": ("root", Traits()),
    "sure-here": ("root", Traits(delivery="at_least_once")),
    "a": ("one", Traits()),
    "sure-a": ("one", Traits(delivery="at_least_once")),
    "b": ("two", Traits()),
    "sure-b": ("two", Traits(delivery="at_least_once", mailbox_size=2)),
}
NODES = ("root", "one", "two")

agents = st.sampled_from(sorted(AGENTS))
members = st.sampled_from(NODES[1:])
commands = st.sampled_from(
    ["echo", "none", "crash", "skip", "retry", "leave", "emit"] + 3 * ["slow", "ask", "send"]
)
messages = st.tuples(commands, st.integers(0, 5), agents)
several = st.lists(
    st.tuples(agents, messages, st.sampled_from(["ask", "send", "stream"])), min_size=3, max_size=8
)

FATES = [(True, True)] * 4 + [(False, False), (True, False)]
"""Whether a broker stores a message that is put, and whether it says so."""

moments = st.sampled_from([0.0, 0.0, 0.01, 0.3, NODE_TIMEOUT - 0.1, NODE_TIMEOUT + 1])
ends = st.sampled_from([("root", "one"), ("root", "two"), ("one", "two")])
misfortunes = st.one_of(
    st.tuples(st.sampled_from(["kill", "haunt", "haunt", "take_away"]), members),
    st.tuples(st.just("cut"), ends),
    st.tuples(st.just("heal"), st.none()),
    st.tuples(st.just("weather"), st.integers(0, 100)),
)


class Deaths(RuleBasedStateMachine):
    """Drives one system."""

    broker: MemoryBroker | None = None
    """Keeps the messages of those with `at_least_once`; None if their senders and the root do."""

    def __init__(self) -> None:
        super().__init__()
        logging.disable(logging.CRITICAL)
        self.loop = QuickLoop()
        self.world = FallibleWorld()
        self.loop.set_exception_handler(lambda _, context: self.world.fault(str(context)))
        self.asking: dict[asyncio.Task[Any], Given] = {}
        self.sending: list[asyncio.Task[Any]] = []

    @initialize()
    def start(self) -> None:
        self.system = FallibleSystem(self.loop, self.world, AGENTS, PLUGINS, self.broker)
        self.loop.run_until_complete(self.system.start())

    # Messages.

    @rule(some=several)
    def say(self, some: Any) -> None:
        for to, what, how in some:
            if how == "send":
                self.send(to, what)
            else:
                self.ask(to, what, streams=how == "stream")

    def ask(self, to: str, what: Any, *, streams: bool) -> None:
        # A stream hands its message over in a task of its own, so it has an order among streams only.
        given = self.tell("(reader)" if streams else "(asker)", to, what)
        asks = self.reads if streams else self.asks
        self.asking[self.loop.create_task(asks(to, given.payload))] = given

    async def asks(self, name: str, payload: Any) -> Message:
        return await self.system.runtime.ask(name, payload, timeout=900)

    async def reads(self, name: str, payload: Any) -> Message | None:
        last = None
        async for message in self.system.runtime.stream(name, payload, timeout=900):
            last = message
        return last

    def send(self, to: str, what: Any) -> None:
        given = self.tell("(asker)", to, what)

        async def send() -> None:
            await self.system.runtime.send(to, given.payload, timeout=900)
            given.accepted = True

        self.sending.append(self.loop.create_task(send()))

    def tell(self, sender: str, to: str, what: Any) -> Given:
        do, turns, target = what
        return self.world.tell(sender, to, do, turns, target)

    # Misfortunes.

    @rule(what=misfortunes, then=moments)
    def befall(self, what: tuple[str, Any], then: float) -> None:
        how, whom = what
        getattr(self, how)(whom)
        self.wait(then)

    def kill(self, name: str) -> None:
        self.system.kill(name)

    def haunt(self, name: str) -> None:
        """Kill a member again and again while it handles something."""
        for _ in range(4):
            for _ in range(80):
                self.wait(0.05)
                member = self.system.members.get(name)
                if member is not None and any(cell.busy for cell in member.registry.values()):
                    break
            self.system.kill(name)

    def cut(self, ends: tuple[str, str]) -> None:
        self.system.network.cut(*ends)

    def take_away(self, name: str) -> None:
        self.system.network.take_away(name)

    def heal(self, _: None = None) -> None:
        self.system.network.heal()

    def weather(self, number: int) -> None:
        """Parcels are lost, late, or come twice; none are in the weather 0."""
        chance = random.Random(number)
        fates = [[], [0.0], [0.0], [0.01], [0.0, 0.02]] if number else [[0.0]]
        self.system.network.fate = lambda parcel: chance.choice(fates)

    # Time.

    @rule(turns=st.integers(1, 20))
    def turn(self, turns: int) -> None:
        async def wait() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.loop.run_until_complete(wait())

    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    @rule()
    def settle(self) -> None:
        """All is well again for a while: everybody is back, and nobody waits any more."""
        self.heal()
        self.weather(0)
        for _ in range(50):
            self.wait(1.0)
            if self.is_at_rest():
                break
        for task, given in self.asking.items():
            assert task.done(), f"unanswered: {given}"
            error = None if task.cancelled() else task.exception()
            assert error is None or isinstance(error, ANSWERS), f"{given}: {error!r}"
        self.asking.clear()
        for task in self.sending:
            assert task.done(), "a send still waits"
            task.result()
        self.sending.clear()
        assert not self.world.faults, self.world.faults
        assert self.is_at_rest(), "something still waits, or somebody is not back"

    def is_at_rest(self) -> bool:
        """Whether everybody is there, and nothing is under way."""
        nodes = [self.system.root, *self.system.members.values()]
        cells = [cell for node in nodes for cell in node.registry.values()]
        idle = not any(len(cell.entry) or getattr(cell, "busy", False) for cell in cells)
        told = all(task.done() for task in (*self.asking, *self.sending))
        idle = idle and (self.broker is None or self.broker.is_empty)
        up = len(nodes) == len(NODES) == len(self.system.root.roster.peers()) + 1
        return idle and told and up

    def teardown(self) -> None:
        try:
            self.settle()
            self.world.check_nothing_lost()
            assert not self.world.faults, self.world.faults
            self.loop.run_until_complete(self.system.stop())
            left = asyncio.all_tasks(self.loop)
            assert not left, f"left behind: {left}"
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.run_until_complete(asyncio.sleep(1))
            self.loop.close()
            logging.disable(logging.NOTSET)


class _NoWatch:
    """Nothing blocks a loop whose time stands still, and a thread for each of these nodes takes a part of the time."""

    def __init__(self, *_: object) -> None: ...

    def held(self) -> float:
        return 0.0

    def end(self) -> None: ...


@pytest.fixture(autouse=True)
def without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("civitas.node.node.BlockWatch", _NoWatch)


@pytest.mark.promise(id="SEM-328")
# 12 s of processor time: a busy machine takes minutes for that.
@pytest.mark.timeout(900 if DEEP else 300)
def test_what_must_hold_between_nodes_holds_whatever_befalls_them() -> None:
    print(f"CIVITAS_SEED={SEED}")
    length = settings(
        max_examples=1000 if DEEP else 300,
        stateful_step_count=20 if DEEP else 10,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(SEED)(Deaths), settings=length)


class DeathsBesideABroker(Deaths):
    """The same where a broker keeps messages, which does not always say what it has, or is away."""

    def __init__(self) -> None:
        chance = random.Random(1)
        self.broker = MemoryBroker()
        self.broker.fate = lambda: chance.choice(FATES)
        super().__init__()


@pytest.mark.promise(id="SEM-1467")
@pytest.mark.timeout(900 if DEEP else 300)
def test_what_must_hold_between_nodes_holds_where_a_broker_keeps_their_messages() -> None:
    print(f"CIVITAS_SEED={SEED}")
    length = settings(
        max_examples=300 if DEEP else 60,
        stateful_step_count=20 if DEEP else 10,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(SEED)(DeathsBesideABroker), settings=length)
