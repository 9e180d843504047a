"""`ExposedAgents`: lets the clients of the Synadia Agent Protocol find and prompt agents of a system."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from civitas.brokers.nats import NatsOptions, subjects_of
from civitas.brokers.nats.connection import Connection
from civitas.brokers.nats.micro import Endpoint, Service, answers, may_answer
from civitas.edge.nats_agents.prompting import Prompting
from civitas.edge.nats_agents.words import PROTOCOL, Identity, PromptFailure
from civitas.errors import MailboxFull

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from civitas.process import Messenger

__all__ = ["ExposedAgents"]

log = logging.getLogger("civitas.edge")

_SERVICE = _GROUP = "agents"
"""What the protocol calls the service, and the queue group of its endpoints."""
_HEARTBEAT = 30
"""Seconds between two signs of life of an agent, as the protocol recommends."""
_WAIT = 10.0
"""Seconds to wait for the server at the start."""
_LAST_WORDS = 2.0
"""Seconds for the last parts of answers."""
_AT_ONCE = 1000
"""Prompts of one agent that may be under way at a time."""


class ExposedAgents:
    """The agents of a system that anybody on its NATS server may prompt.

    Args:
        options: How to reach the server.
        prefix: Of the system's subjects.
        system: Name of the system.
        agents: Names of the agents and pools.
    """

    def __init__(
        self,
        options: NatsOptions,
        prefix: str,
        system: str,
        agents: Iterable[str],
    ) -> None:
        self._system = system
        base = f"{subjects_of(prefix, system)}."
        self._is_own = lambda subject: subject.startswith(base)
        self._exposed = [_Exposed(Identity.of(prefix, system, each), each) for each in agents]
        self._agents: Messenger | None = None
        self._subscriptions: list[Any] = []
        self._prompts: dict[asyncio.Task[None], str] = {}
        self._beating: asyncio.Task[None] | None = None
        self._connection = Connection(
            options,
            name=f"civitas {system} agents",
            inbox=f"{base}inbox",
            subscribe=self._subscribe,
            up=_nothing,
            down=_nothing,
        )

    async def open(self, agents: Messenger) -> None:
        """Let callers in; see `Edge.open`."""
        self._agents = agents
        await self._connection.open(_WAIT)
        self._beating = asyncio.get_running_loop().create_task(self._beat())

    async def close_door(self) -> None:
        """Take no prompts any more, and be found no more; see `Edge.close_door`."""
        self._agents = None
        subscriptions, self._subscriptions = self._subscriptions, []
        for each in subscriptions:
            with suppress(Exception):  # its connection is gone
                await each.unsubscribe()
        beating, self._beating = self._beating, None
        if beating is not None:
            beating.cancel()
            await asyncio.wait({beating})

    async def close(self) -> None:
        """End it; see `Edge.close`."""
        await self.close_door()
        if self._prompts:
            await asyncio.wait(self._prompts, timeout=_LAST_WORDS)
        for task in self._prompts:
            task.cancel()
        if self._prompts:
            await asyncio.wait(self._prompts)
        if (client := self._connection.client) is not None:
            with suppress(Exception):
                await client.flush(1)
        await self._connection.close()

    async def _subscribe(self, client: Client) -> None:
        if self._agents is None:
            return
        self._subscriptions = []
        for exposed in self._exposed:
            self._subscriptions += await answers(
                client, self._service(exposed, client), self._is_own
            )
            for verb, take in (("prompt", self._take_prompt), ("status", self._take_status)):
                subject = exposed.identity.subject(verb)
                taking = partial(take, client, exposed)
                self._subscriptions.append(await client.subscribe(subject, _GROUP, taking))

    def _service(self, exposed: _Exposed, client: Client) -> Service:
        identity = exposed.identity
        prompt = {"max_payload": f"{client.max_payload}B", "attachments_ok": "false"}

        def endpoints() -> list[Endpoint]:
            return [
                Endpoint(
                    name="prompt",
                    subject=identity.subject("prompt"),
                    queue_group=_GROUP,
                    metadata=prompt,
                    requests=exposed.prompts,
                ),
                Endpoint(name="status", subject=identity.subject("status"), queue_group=_GROUP),
            ]

        return Service(
            name=_SERVICE,
            id=exposed.id,
            description=f"{exposed.name}, an agent of the Civitas system {self._system!r}",
            metadata={
                **identity.plain(),
                "protocol_version": PROTOCOL,
                "name": exposed.name,
                "system": self._system,
            },
            endpoints=endpoints,
        )

    async def _take_prompt(self, client: Client, exposed: _Exposed, message: Msg) -> None:
        agents = self._agents
        if agents is None or not may_answer(message.reply, self._is_own):
            return
        exposed.prompts += 1
        name = exposed.name
        if list(self._prompts.values()).count(name) >= _AT_ONCE:
            failure = PromptFailure.of(MailboxFull(name, _AT_ONCE, 0.0))
            await client.publish(message.reply, failure.body(), headers=failure.headers())
            await client.publish(message.reply, b"")
            return
        prompting = Prompting(agents, name, client, message.reply)
        work = prompting.run(message.data, message.headers)
        # Not in the order of their arrival, one after the other: the agent's mailbox has them in that.
        task = asyncio.get_running_loop().create_task(work, name=f"civitas:prompt:{name}")
        self._prompts[task] = name
        task.add_done_callback(self._prompts.pop)

    async def _take_status(self, client: Client, exposed: _Exposed, message: Msg) -> None:
        if may_answer(message.reply, self._is_own):
            with suppress(Exception):  # whoever asks will ask again
                await client.publish(message.reply, self._sign_of_life(exposed))

    async def _beat(self) -> None:
        while True:
            for exposed in self._exposed:
                if (client := self._connection.client) is not None:
                    with suppress(Exception):  # the next one comes
                        subject = exposed.identity.subject("hb")
                        await client.publish(subject, self._sign_of_life(exposed))
            await asyncio.sleep(_HEARTBEAT)

    def _sign_of_life(self, exposed: _Exposed) -> bytes:
        return json.dumps(
            {
                **exposed.identity.plain(),
                "instance_id": exposed.id,
                "ts": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "interval_s": _HEARTBEAT,
                "protocol_version": PROTOCOL,
            }
        ).encode()


class _Exposed:
    """One agent that is exposed."""

    def __init__(self, identity: Identity, name: str) -> None:
        self.identity = identity
        self.name = name
        self.id = uuid.uuid4().hex
        self.prompts = 0


def _nothing() -> None: ...
