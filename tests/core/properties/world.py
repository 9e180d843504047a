"""Agents that do what their messages say, and a world that writes down all they do and checks it on the way."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from civitas.errors import CivitasError
from civitas.message import Message
from civitas.process import AgentProcess, ErrorAction

__all__ = ["Given", "Traits", "Worker", "World"]


@dataclass(frozen=True)
class Traits:
    """What an agent is like."""

    restart: str = "permanent"
    delivery: str = "at_most_once"
    max_deliveries: int = 3
    mailbox_size: int = 1000
    shutdown_timeout: float = 0.02
    cancel_on_timeout: bool = False
    turns_to_start: int = 0
    turns_to_stop: int = 0
    fails_in_on_stop: bool = False

    def keywords(self) -> dict[str, Any]:
        """The keywords of `AgentProcess`."""
        return {
            "restart": self.restart,
            "delivery": self.delivery,
            "max_deliveries": self.max_deliveries,
            "mailbox_size": self.mailbox_size,
            "shutdown_timeout": self.shutdown_timeout,
            "cancel_on_timeout": self.cancel_on_timeout,
        }


@dataclass
class Given:
    """What became of one message."""

    pair: tuple[str, str]
    number: int
    do: str
    payload: dict[str, Any] = field(repr=False)
    accepted: bool = False
    """Whether `send` returned."""
    abandoned: bool = False
    """Whether whoever asked has left."""
    starts: list[tuple[int, int]] = field(default_factory=list)
    """Which incarnation began with it, and with which `attempt`."""
    finished: bool = False
    letters: list[str] = field(default_factory=list)


class World:
    """Everything that happens to the agents of one system."""

    def __init__(self) -> None:
        self.given: dict[tuple[str, str, int], Given] = {}
        self.incarnations: Counter[str] = Counter()
        self.last: dict[str, Worker] = {}
        self.traits: dict[str, Traits] = {}
        self.failing_starts: Counter[str] = Counter()
        self.seen: dict[tuple[str, str], int] = defaultdict(int)
        self.faults: list[str] = []
        self.pools: dict[str, int] = {}
        """The conversation pools, and how many conversations each may have awake."""
        self._alone = count()
        self._numbers: Counter[tuple[str, str]] = Counter()

    def mailbox(self, to: str, conversation: str | None) -> str:
        """The name of the agent that a message to `to` is for."""
        if to not in self.pools:
            return to
        return f"{to}/{conversation if conversation is not None else f'#{next(self._alone)}'}"

    def tell(
        self, sender: str, to: str, do: str = "echo", turns: int = 0, target: str = ""
    ) -> Given:
        """The next message from `sender` to the mailbox `to`."""
        pair = (sender, to)
        self._numbers[pair] += 1
        number = self._numbers[pair]
        key = {"from": sender, "to": to, "number": number}
        given = Given(pair, number, do, {**key, "do": do, "turns": turns, "target": target})
        self.given[(sender, to, number)] = given
        return given

    def of(self, message: Message) -> Given | None:
        """What is known of `message`; None where it is no numbered one."""
        payload = message.payload
        if not isinstance(payload, dict) or "number" not in payload:
            return None
        return self.given[(payload["from"], payload["to"], payload["number"])]

    def letter(self, message: Message, reason: str) -> None:
        """A message became a dead letter."""
        given = self.of(message)
        if given is None:
            return
        given.letters.append(reason)
        if given.finished:
            self.fault(f"{given}: a dead letter after it was finished")
        if len(given.letters) > 1:
            self.fault(f"{given}: a dead letter twice")
        agent = given.pair[1].partition("/")[0]
        if reason == "crashed" and self.traits[agent].delivery == "at_least_once":
            self.fault(f"{given}: lost in a crash although its delivery is at_least_once")

    def check_nothing_lost(self) -> None:
        """At the end, each message was finished, given up by its handler, or is a dead letter."""
        for given in self.given.values():
            if given.accepted and not given.starts and not given.letters:
                self.fault(f"{given}: lost in a mailbox")
            given_up = given.abandoned or given.do in ("skip", "leave")
            if given.starts and not (given.finished or given.letters or given_up):
                self.fault(f"{given}: lost in a handler")

    def fault(self, text: str) -> None:
        """Something that must never happen has happened."""
        self.faults.append(text)

    def born(self, worker: Worker) -> None:
        """An incarnation begins."""
        before = self.last.get(worker.name)
        if before is not None and before is not worker:
            ended = before._civitas_incarnation is None or before._civitas_incarnation.now.over
            if not ended:
                self.fault(f"two incarnations of {worker.name} at once")
        self.last[worker.name] = worker
        self.traits[worker.name] = worker.traits
        self.incarnations[worker.name] += 1
        worker.number = self.incarnations[worker.name]

    def begins(self, worker: Worker, message: Message) -> None:
        """A handler begins with a message."""
        if self.last.get(worker.name) is not worker:
            self.fault(f"an earlier incarnation of {worker.name} handles a message")
        if worker.busy:
            self.fault(f"{worker.name} handles two messages at once")
        given = self.of(message)
        if given is None:
            return
        if given.number < self.seen[given.pair]:
            self.fault(f"{given.pair}: {given.number} after {self.seen[given.pair]}")
        self.seen[given.pair] = given.number
        if given.finished:
            self.fault(f"{given.pair}: {given.number} is handled again after it was finished")
        if given.letters:
            self.fault(f"{given.pair}: {given.number} is handled after it was a dead letter")
        if message.attempt != len(given.starts):
            self.fault(f"{given.pair}: attempt {message.attempt}, start {len(given.starts)}")
        given.starts.append((worker.number, message.attempt))
        incarnations = {number for number, _ in given.starts}
        once = worker.traits.delivery == "at_most_once"
        if len(incarnations) > (1 if once else worker.traits.max_deliveries):
            self.fault(f"{given.pair}: {given.number} was delivered {len(incarnations)} times")


class Worker(AgentProcess):
    """Does what its messages say."""

    def __init__(self, name: str, world: World, traits: Traits) -> None:
        super().__init__(name, **traits.keywords())
        self.world = world
        self.traits = traits
        world.traits[name] = traits
        self.busy = False
        self.number = 0

    async def on_start(self) -> None:
        self.world.born(self)
        await turns(self.traits.turns_to_start)
        if self.world.failing_starts[self.name] > 0:
            self.world.failing_starts[self.name] -= 1
            raise RuntimeError(f"{self.name} cannot start")

    async def handle(self, message: Message) -> Message | None:
        self.world.begins(self, message)
        self.busy = True
        try:
            reply = await self.obey(message)
        finally:
            self.busy = False
        given = self.world.of(message)
        if given is not None:
            given.finished = True
        return reply

    async def obey(self, message: Message) -> Message | None:
        if not isinstance(message.payload, dict):
            return None  # `civitas.down`
        do, turn_count, target = (message.payload[key] for key in ("do", "turns", "target"))
        world, conversation = self.world, message.conversation
        await turns(turn_count)
        match do:
            case "crash":
                raise ValueError(f"{self.name} crashes")
            case "exit":
                raise SystemExit(f"{self.name} exits")
            case "skip" | "retry" | "leave" if message.attempt < 2:
                raise LookupError(do)
            case "none":
                return None
            case "stop":
                await self.stop()
            case "ask":
                # Where few may be awake, one that waits for another holds the place that other waits for.
                if world.pools.get(target.partition("/")[0], 1000) < 1000:
                    target = "nobody"
                to = world.mailbox(target, conversation)
                answer = await self.ask(target, world.tell(self.name, to).payload)
                return self.reply(answer.payload)
            case "send":
                to = world.mailbox(target, conversation)
                given = world.tell(self.name, to)
                await self.send(target, given.payload, timeout=0.02)
                given.accepted = True
            case "emit":
                for n in range(turn_count):
                    await self.emit(n)
            case "spawn":
                await self.spawn(Worker, target, self.world, self.traits)
            case "terminate":
                return self.reply(await self.terminate(target))
            case "monitor":
                return self.reply(await self.monitor(target))
        return self.reply(do)

    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        if isinstance(error, LookupError) and not isinstance(error, CivitasError):
            match error.args[0]:
                case "skip":
                    return ErrorAction.SKIP
                case "retry":
                    return ErrorAction.RETRY
                case "leave":
                    return ErrorAction.STOP
        return ErrorAction.ESCALATE

    async def on_stop(self) -> None:
        await turns(self.traits.turns_to_stop)
        if self.traits.fails_in_on_stop:
            raise RuntimeError(f"{self.name} cannot stop")


async def turns(count: int) -> None:
    """Let the loop turn `count` times."""
    for _ in range(count):
        await asyncio.sleep(0)
