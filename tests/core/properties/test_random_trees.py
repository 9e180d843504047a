"""Random trees, random crashes, stops, starts and messages: what must hold, always holds.

`make test-deep` looks longer; `CIVITAS_SEED=n` repeats a run, whose number a failure prints.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
from collections import Counter
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from civitas.errors import (
    AgentTerminated,
    ConfigurationError,
    HandlerFailed,
    NoReply,
    StartFailed,
    SupervisionError,
    SupervisorGaveUp,
    UnknownAgent,
)
from civitas.events import DeadLetterReason, Event
from civitas.message import Message
from civitas.plugins import PluginManager
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from civitas.testing import ManualClock
from tests.core.properties.trees import agents, build, dynamics, pools, trees
from tests.core.properties.world import Given, Worker, World
from tests.deep import DEEP

# The same trees for each change; a deep run looks at others.
SEED = int(os.environ.get("CIVITAS_SEED") or (random.randrange(2**32) if DEEP else 1))
PLUGINS: Any = PluginManager()  # looked for once

# How an ask may end, besides with a reply. Its timeout is long: time is never what ends it.
ANSWERS = (HandlerFailed, NoReply, AgentTerminated, UnknownAgent)
REFUSALS = (SupervisionError, StartFailed, ConfigurationError)

some = st.integers(0, 1000)
commands = st.sampled_from(
    [
        *("echo", "none", "crash", "crash", "exit", "skip", "retry", "leave", "stop", "emit"),
        *("ask", "ask", "send", "spawn", "terminate", "monitor"),
    ]
)
messages = st.tuples(commands, st.integers(0, 5), some)
conversations = st.sampled_from([None, "a", "b"])


class Trees(RuleBasedStateMachine):
    """Drives one system; time is a manual clock, and what is started need not end before the next thing begins."""

    def __init__(self) -> None:
        super().__init__()
        logging.disable(logging.CRITICAL)
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda _, context: self.world.fault(str(context)))
        self.world = World()
        self.clock = ManualClock()
        self.names = (f"n{number}" for number in count())
        self.asking: dict[asyncio.Task[Any], Given] = {}
        self.calls: list[asyncio.Task[Any]] = []
        self.told: Counter[tuple[str, str]] = Counter()
        self.running = self.ran = False

    @initialize(tree=trees)
    def start(self, tree: Any) -> None:
        root = build(tree, self.world, self.names)
        assert isinstance(root, Supervisor)
        self.runtime = Runtime(root, clock=self.clock, drain_timeout=30, plugins=PLUGINS)
        node = self.runtime._node
        bury = node.dead_letter

        def dead_letter(message: Message, reason: DeadLetterReason) -> bool:
            self.world.letter(message, reason)
            return bury(message, reason)

        node.dead_letter = dead_letter  # type: ignore[method-assign]
        for type in ("started", "crashed", "restarted", "gave_up", "terminated"):
            self.runtime.on(type, self.hears)
        self.loop.run_until_complete(self.runtime.start())
        self.running = self.ran = True

    def hears(self, event: Event) -> None:
        self.told[(event.type, event.name)] += 1

    # Whom.

    def agent(self, pick: int) -> str:
        """One of the agents and pools there are, or have been, or never were."""
        known = [*self.runtime._node.registry, *self.world.traits, "nobody"]
        return known[pick % len(known)]

    def supervisor(self, pick: int) -> str:
        known = [*self.runtime._node.supervisors, "nobody"]
        return known[pick % len(known)]

    def child(self, supervisor: str, pick: int) -> str:
        parent = self.runtime._node.supervisors.get(supervisor)
        known = [child.name for child in parent.children] if parent else []
        return known[pick % len(known)] if known else "nobody"

    # Messages.

    @precondition(lambda self: self.running)
    @rule(to=some, what=messages, conversation=conversations, streams=st.booleans())
    def ask(self, to: int, what: Any, conversation: str | None, streams: bool) -> None:
        name = self.agent(to)
        # A stream hands its message over in a task of its own, so it has an order among streams only.
        given = self.tell("(reader)" if streams else "(asker)", name, conversation, what)
        asks = self.reads if streams else self.asks
        self.asking[self.loop.create_task(asks(name, given.payload, conversation))] = given

    async def asks(self, name: str, payload: Any, conversation: str | None) -> Message:
        return await self.runtime.ask(name, payload, timeout=900, conversation=conversation)

    async def reads(self, name: str, payload: Any, conversation: str | None) -> Message:
        last: Message | None = None
        reading = self.runtime.stream(name, payload, timeout=900, conversation=conversation)
        async for message in reading:
            last = message
        assert last is not None
        return last

    @precondition(lambda self: self.running)
    @rule(to=some, what=messages, conversation=conversations)
    def send(self, to: int, what: Any, conversation: str | None) -> None:
        name = self.agent(to)
        given = self.tell("(asker)", name, conversation, what)

        async def send() -> None:
            try:
                await self.runtime.send(name, given.payload, timeout=900, conversation=conversation)
            except (UnknownAgent, AgentTerminated):
                return
            given.accepted = True

        self.calls.append(self.loop.create_task(send()))

    def tell(self, sender: str, to: str, conversation: str | None, what: Any) -> Given:
        do, turns, whom = what
        target = next(self.names) if do == "spawn" else self.agent(whom)
        return self.world.tell(sender, self.world.mailbox(to, conversation), do, turns, target)

    @rule(which=some)
    def leave(self, which: int) -> None:
        """Somebody who asked is cancelled."""
        if not self.asking:
            return
        task = list(self.asking)[which % len(self.asking)]
        self.asking[task].abandoned = True
        task.cancel()

    # Administration.

    @precondition(lambda self: self.running)
    @rule(what=agents | dynamics | pools | trees, supervisor=some, known=st.booleans(), pick=some)
    def start_child(self, what: Any, supervisor: int, known: bool, pick: int) -> None:
        name = self.supervisor(supervisor)
        agents = [name for name in self.world.traits if "/" not in name]
        agents = [name for name in agents if name not in self.world.pools]
        if known and agents:
            again = agents[pick % len(agents)]
            child: Any = Worker(again, self.world, self.world.traits[again])
        else:
            child = build(what, self.world, self.names)
        self.call(self.runtime.start_child, name, child)

    @precondition(lambda self: self.running)
    @rule(
        how=st.sampled_from(["terminate_child", "restart_child", "delete_child", "restart"]),
        supervisor=some,
        child=some,
    )
    def administer(self, how: str, supervisor: int, child: int) -> None:
        parent = self.supervisor(supervisor)
        name = self.child(parent, child)
        call = getattr(self.runtime, how)
        self.call(call, *([name] if how == "restart" else [parent, name]))

    def call(self, work: Any, *args: Any) -> None:
        async def call() -> None:
            with contextlib.suppress(*REFUSALS):
                await work(*args)

        self.calls.append(self.loop.create_task(call()))

    @rule(which=some)
    def withdraw(self, which: int) -> None:
        """Somebody who sends or administers is cancelled."""
        if self.calls:
            self.calls[which % len(self.calls)].cancel()

    @precondition(lambda self: self.running)
    @rule(name=some, times=st.integers(1, 3))
    def fail_to_start(self, name: int, times: int) -> None:
        self.world.failing_starts[self.agent(name)] += times

    # Time.

    @rule(turns=st.integers(1, 8))
    def turn(self, turns: int) -> None:
        async def wait() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.loop.run_until_complete(wait())

    @rule(seconds=st.sampled_from([0.05, 1.0, 10.0, 100.0]))
    def advance(self, seconds: float) -> None:
        async def advance() -> None:
            self.clock.advance(seconds)

        self.loop.run_until_complete(advance())

    @rule()
    def settle(self) -> None:
        """Wait until nothing moves any more, and look."""
        self.loop.run_until_complete(self.quiet())
        assert not self.world.faults, self.world.faults
        tree = self.runtime.tree() if self.running else None
        self.look_at_tasks(waits=tree is not None and "restarting" in statuses(tree))
        if tree is not None:
            self.look_at_tree(tree, None)
            self.look_at_names(tree)

    async def quiet(self) -> None:
        while True:
            for turn in count():
                if not self.loop._ready:  # type: ignore[attr-defined]
                    break
                assert turn < 10_000, f"no rest: {self.loop._ready}"  # type: ignore[attr-defined]
                await asyncio.sleep(0)
            now = self.loop.time()
            due = [
                timer._when - now
                for timer in self.loop._scheduled  # type: ignore[attr-defined]
                if not timer._cancelled
            ]
            if not due or min(due) > 0.2:
                return
            await asyncio.sleep(max(min(due), 0))

    # What must hold.

    def look_at_tasks(self, waits: bool) -> None:
        for task in [task for task in self.asking if task.done()]:
            given = self.asking.pop(task)
            if task.cancelled():
                assert given.abandoned, f"{given}: cancelled"
            elif (error := task.exception()) is not None:
                assert isinstance(error, ANSWERS), f"{given}: {error!r}"
        for task in [task for task in self.calls if task.done()]:
            self.calls.remove(task)
            if not task.cancelled():
                task.result()
        if not waits:  # nobody is to be started again, and no call waits for that
            assert not self.asking, f"unanswered: {list(self.asking.values())}"
            assert not self.calls, f"unfinished: {self.calls}"

    def look_at_tree(self, node: dict[str, Any], parent: dict[str, Any] | None) -> None:
        name, status = node["name"], node["status"]
        where = f"{name} is {status} under {parent and parent['name']}"
        if parent is not None and parent["status"] == "running":
            # A conversation waits where as many as may be are awake.
            waits = status == "starting" and parent["kind"] == "conversation_pool"
            assert waits or status in ("running", "restarting", "stopped"), where
        elif parent is not None:
            assert status != "running", f"{where}, which is {parent['status']}"
        assert status != "restarting" or self.clock.pending, where
        assert node["restarts"] <= self.told[("restarted", name)], where
        if node["kind"] == "agent":
            cell = self.runtime._node.registry[name]
            assert cell.alive is (status == "running"), where
            if status == "running" and not len(self.runtime._node.asks):
                assert not cell.busy, f"{where} and idle, but messages wait"
            if status in ("stopped", "terminated"):
                assert node["mailbox_depth"] == 0, where
        for child in node["children"]:
            self.look_at_tree(child, node)

    def look_at_names(self, tree: dict[str, Any]) -> None:
        kinds: dict[str, str] = {}

        def walk(node: dict[str, Any]) -> None:
            assert node["name"] not in kinds, f"{node['name']} stands twice in the tree"
            kinds[node["name"]] = node["kind"]
            for child in node["children"]:
                walk(child)

        walk(tree)
        node = self.runtime._node
        agents = {name for name, kind in kinds.items() if kind == "agent"}
        assert set(node.registry) == set(node.owners) == agents
        assert set(node.supervisors) == set(kinds) - agents

    # The end.

    @precondition(lambda self: self.running)
    @rule(gently=st.booleans())
    def stop(self, gently: bool) -> None:
        self.running = False
        self.runtime.drain_timeout = 30 if gently else 0
        stopping = self.loop.create_task(self.runtime.stop())
        for _ in range(1000):
            self.loop.run_until_complete(self.quiet())
            if stopping.done():
                break
            self.advance(100)
        stopping.result()

    def teardown(self) -> None:
        try:
            if not self.ran:
                return
            if self.running:
                self.stop(gently=False)
            self.settle()
            self.world.check_nothing_lost()
            assert not self.world.faults, self.world.faults
            left = asyncio.all_tasks(self.loop)
            assert not left, f"left behind: {left}"
            assert not self.clock.pending
            node = self.runtime._node
            assert not len(node.asks)
            assert not node.streams
            assert not node._monitors._by_ref
            self.loop.run_until_complete(self.ended())
        finally:
            self.loop.close()
            logging.disable(logging.NOTSET)

    async def ended(self) -> None:
        try:
            await self.runtime.wait()
        except SupervisorGaveUp:
            assert self.told[("gave_up", self.runtime.supervisor.name)] == 1


def statuses(node: dict[str, Any]) -> set[str]:
    """The status of `node` and of all below it."""
    return {node["status"]}.union(*map(statuses, node["children"]))


@pytest.mark.promise(id="SEM-328")
@pytest.mark.timeout(900 if DEEP else 60)
def test_what_must_hold_holds_in_random_trees() -> None:
    print(f"CIVITAS_SEED={SEED}")
    length = settings(
        max_examples=2000 if DEEP else 60,
        stateful_step_count=80 if DEEP else 40,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(SEED)(Trees), settings=length)
