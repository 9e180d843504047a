"""What can be asked of a running system from outside its program."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import asdict
from typing import Any

from civitas.cluster.guests import PassedOn
from civitas.control.marks import PASSING
from civitas.errors import CivitasError, ConfigurationError, HandlerFailed
from civitas.frameworks.conversations import CONVERSATION
from civitas.message import Message
from civitas.node.accepted import ASKED_AS
from civitas.node.acting import acting_as
from civitas.node.glance import Overview
from civitas.runs.overview import newest_of
from civitas.runtime import Runtime
from civitas.state.in_order import is_piece, read_many
from civitas.telemetry.recent import RecentTraces

__all__ = ["Operations", "refusal_of", "reply_as_plain"]

logger = logging.getLogger("civitas")

Noted = Callable[[str], object]
_noted: ContextVar[Noted | None] = ContextVar("civitas_noted", default=None)


class Operations:
    """Does what requests say.

    Args:
        runtime: The system; it runs.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._traces = RecentTraces(runtime._node.tracing)
        self._operations: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
            "ask": self._ask,
            "send": self._send,
            "tree": self._tree,
            "overview": self._overview,
            "inspect": lambda request: self._runtime.inspect(
                _name_in(request), request.get("profile")
            ),
            "restart": self._restart,
            "stop": self._stop,
            "start": self._start,
            "pause": lambda request: self._to_its_end(self._runtime.pause(_name_in(request))),
            "resume": lambda request: self._to_its_end(self._runtime.resume(_name_in(request))),
            "timeline": self._list_events,
            "scale": self._scale,
            "make_room": self._make_room,
            "runs": self._list_runs,
            "run": self._show_run,
            "result": self._result,
            "cancel": self._cancel,
            "traces": lambda request: self._traces.look(request.get("opened")),
            "stored": self._stored,
            "stored_keys": self._list_stored,
            "dead_letters": self._list_dead_letters,
            "dead_letter": self._show_dead_letter,
            "replay": lambda request: self._to_its_end(self._runtime.replay(_key_in(request))),
            "drop": lambda request: self._runtime.drop(_key_in(request)),
        }
        self._acting: set[asyncio.Task[Any]] = set()

    async def answer(self, request: dict[str, Any], noted: Noted | None = None) -> dict[str, Any]:
        """Do what a request says, and say what came of it: ``ok``, or ``error`` and what belongs to that.

        Args:
            request: It.
            noted: Called with the id of the message, if it asks an agent. Its answer may be left to the next root.
        """
        _noted.set(noted)
        operation = self._operations.get(str(request.get("op")))
        try:
            if operation is None:
                known = ", ".join(self._operations)
                raise ConfigurationError(
                    f"this system does not know {request.get('op')!r}, only {known}; "
                    "is the command line a different version?"
                )
            with acting_as(str(request.get("by", "somebody outside"))):
                return {"ok": await operation(request)}
        except PassedOn as error:
            return {PASSING: True, "asked": error.id}
        except CivitasError as error:
            return refusal_of(error)
        except Exception as error:
            logger.exception("a request from outside could not be carried out")
            return refusal_of(ConfigurationError(f"the request failed: {error!r}"))

    def close(self) -> None:
        """Record no traces any more."""
        self._traces.close()

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        (to, payload), options = _addressed(request), _options(request)
        asking = self._runtime._node.ask(
            *(None, to, payload, options["message_type"], options["timeout"]),
            *(options["conversation"], options["headers"], options["run"], _noted.get()),
        )
        return reply_as_plain(await asking)

    async def _send(self, request: dict[str, Any]) -> None:
        to, payload = _addressed(request)
        await self._runtime.send(to, payload, **_options(request))
        # Somebody looks whether it was accepted, should this process freeze now.
        if called := request.get("called"):
            self._runtime._node.from_outside.add(str(called))

    async def _tree(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._runtime.tree()

    async def _restart(self, request: dict[str, Any]) -> None:
        await self._to_its_end(self._runtime.restart(_name_in(request)))

    async def _stop(self, request: dict[str, Any]) -> None:
        name = _name_in(request)
        owner = self._runtime._administration.owner_of(name)
        await self._to_its_end(self._runtime.terminate_child(owner, name))

    async def _start(self, request: dict[str, Any]) -> None:
        name = _name_in(request)
        owner = self._runtime._administration.owner_of(name)
        await self._to_its_end(self._runtime.restart_child(owner, name))

    async def _overview(self, request: dict[str, Any]) -> Overview:
        return await self._runtime.overview(request.get("under"), request.get("since"))

    async def _list_events(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        return [asdict(each) for each in self._runtime.timeline(request.get("since"))]

    async def _list_runs(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        found = self._runtime.runs(request.get("status"), request.get("agent"))
        if (newest := request.get("newest")) is not None:
            found = newest_of(found, newest)
        return [asdict(each) for each in found]

    async def _show_run(self, request: dict[str, Any]) -> dict[str, Any]:
        return asdict(await self._runtime.run_info(_name_of_run(request)))

    async def _result(self, request: dict[str, Any]) -> dict[str, Any]:
        timeout, final = request.get("timeout", 30.0), request.get("final", False)
        reply = await self._runtime.result(_name_of_run(request), timeout, final=final)
        return reply_as_plain(reply)

    async def _cancel(self, request: dict[str, Any]) -> bool:
        return await self._runtime.cancel(_name_of_run(request))

    async def _stored(self, request: dict[str, Any]) -> dict[str, Any]:
        keys = request.get("keys", ())
        for key in keys:
            _check_conversation(key)
        return await read_many(self._runtime._node.store, keys)

    async def _list_stored(self, request: dict[str, Any]) -> list[str]:
        listed = getattr(self._runtime._node.store, "keys", None)
        if listed is None:
            raise ConfigurationError("the state store cannot list its keys")
        prefix = request.get("prefix", CONVERSATION)
        _check_conversation(prefix)
        return [key for key in await listed(prefix) if not is_piece(key)]

    async def _list_dead_letters(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        found = await self._runtime.dead_letters(
            request.get("agent"), request.get("reason"), payload=request.get("payload") is True
        )
        own = request.get("own") is True  # those that a broker keeps are looked for there
        return [
            asdict(each) for each in found if not own or each.number in self._runtime._node.dead
        ]

    async def _show_dead_letter(self, request: dict[str, Any]) -> dict[str, Any]:
        return asdict(await self._runtime.dead_letter(_key_in(request)))

    async def _make_room(self, request: dict[str, Any]) -> None:
        """A process of another number than the topology has is there: let it be one of the replicas."""
        administration, replicas = self._runtime._administration, request.get("replicas", 0)
        scaling = administration.scale(_name_in(request), replicas, at_least=True)
        await self._to_its_end(scaling)

    async def _scale(self, request: dict[str, Any]) -> None:
        await self._to_its_end(
            self._runtime.scale(request.get("name", ""), request.get("replicas", 0))
        )

    async def _to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Whoever asked may go away meanwhile: it is done all the same, and noted who did it."""
        acting = asyncio.create_task(work)
        self._acting.add(acting)
        acting.add_done_callback(self._acting.discard)
        await asyncio.shield(acting)


def reply_as_plain(reply: Message) -> dict[str, Any]:
    """A reply as the answer to a request."""
    return {
        "sender": reply.sender,
        "type": reply.type,
        "payload": reply.payload,
        "conversation": reply.conversation,
    }


def _check_conversation(key: Any) -> None:
    """The store may be shared: nothing else in it is anybody's business who comes from outside."""
    if not (isinstance(key, str) and key.startswith(CONVERSATION)):
        raise ConfigurationError(
            f"only conversations are read from the state store, and {key!r} does not begin with {CONVERSATION!r}"
        )


def _name_in(request: dict[str, Any]) -> str:
    """The agent or supervisor of a request.

    Raises:
        ConfigurationError: It does not say, or not in text.
    """
    name = request.get("name")
    if not isinstance(name, str):
        raise ConfigurationError(f"'name' must be the name of an agent, as text; got {name!r}")
    return name


def _key_in(request: dict[str, Any]) -> int | str:
    """The dead letter of a request; the runtime checks it."""
    key: int | str = request.get("key", "")
    return key


def _name_of_run(request: dict[str, Any]) -> str:
    """The run of a request.

    Raises:
        ConfigurationError: It does not say, or not in text.
    """
    run = request.get("run")
    if not isinstance(run, str):
        raise ConfigurationError(f"'run' must be the name of a run, as text; got {run!r}")
    return run


def refusal_of(error: CivitasError) -> dict[str, Any]:
    """An error as the answer to a request."""
    trace = error.remote_traceback if isinstance(error, HandlerFailed) else ""
    return {"error": type(error).__name__, "message": str(error), "traceback": trace}


def _addressed(request: dict[str, Any]) -> tuple[str, Any]:
    """The recipient of a request, and its payload.

    Raises:
        ConfigurationError: It does not say, or not in text.
    """
    for key in ("to", "payload"):
        if key not in request:
            raise ConfigurationError(f"the request has no {key!r}")
    to = request["to"]
    if not isinstance(to, str):
        raise ConfigurationError(f"'to' must be the name of an agent, as text; got {to!r}")
    return to, request["payload"]


def _options(request: dict[str, Any]) -> dict[str, Any]:
    """The other options of a request; the runtime checks them."""
    headers = request.get("headers")
    if called := request.get("called"):
        headers = {**(headers or {}), ASKED_AS: str(called)}
    return {
        "message_type": request.get("type", "message"),
        "timeout": request.get("timeout", 30.0),
        "conversation": request.get("conversation"),
        "run": request.get("run"),
        "headers": headers,
    }
