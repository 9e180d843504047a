"""`/agents` and `/runs`: what a program inside the system can do, for one in any language."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from civitas.edge.http.bodies import Body
from civitas.edge.http.failures import BadRequest, HttpFailure
from civitas.edge.http.headers import header, trace_of
from civitas.edge.http.leaving import first_of, unless_left
from civitas.edge.http.recording import Recording, Recordings
from civitas.edge.http.served_system import ServedSystem
from civitas.edge.http.sse import EventStream, event
from civitas.edge.texts import EMITTED
from civitas.errors import ConfigurationError, UnknownRun
from civitas.message import Message, to_plain
from civitas.message.json_form import json_form

__all__ = ["RUN", "AgentsApi"]

RUN = "x-civitas-run"
"""The header of an answer that names its run."""
_KEYS = frozenset({"payload", "type", "timeout", "conversation", "headers", "config", "run"})
_ANSWER = frozenset({"value", "values", "id", "conversation", "timeout", "headers", "run"})
_TIMEOUT = 30.0
_DIGITS = 18
"""As many as the number of an event may have."""


class AgentsApi:
    """The agents of a system, and the runs that were begun by them.

    Args:
        served: The system.
        recordings: What runs have told.
    """

    def __init__(self, served: ServedSystem, recordings: Recordings) -> None:
        self._served = served
        self._recordings = recordings

    async def ask(self, request: Request) -> Response:
        """Ask, and tell the reply."""
        body = await _body(request, _KEYS)
        return await self._ask(
            request, body.fields.get("payload"), body.text("type", "message"), body
        )

    async def resume(self, request: Request) -> Response:
        """Answer a question to a human, and tell the reply."""
        body = await _body(request, _ANSWER)
        payload = {key: body.fields[key] for key in ("value", "values", "id") if key in body.fields}
        if not payload.keys() & {"value", "values"}:
            raise BadRequest("the body needs 'value', or 'values' by id", "value")
        body.text("conversation")
        return await self._ask(request, payload, "resume", body)

    async def _ask(self, request: Request, payload: Any, type: str, body: Body) -> Response:
        asking = self._served.ask(
            request.path_params["name"], payload, type, **_options(request, body)
        )
        reply = await unless_left(request, asking)
        return JSONResponse(_plain(reply), headers=header(RUN, reply.run))

    async def send(self, request: Request) -> Response:
        """Send; the answer says that it was accepted, and names the run where the agent is durable."""
        body = await _body(request, _KEYS)
        options = _options(request, body)
        name, payload = request.path_params["name"], body.fields.get("payload")
        type, run = body.text("type", "message"), options.pop("run")
        named = run or str(uuid.uuid4())
        try:
            await self._served.send(name, payload, type, **options, run=named)
        except ConfigurationError:
            if run is not None:
                raise
            await self._served.send(name, payload, type, **options)  # it keeps no runs
            return JSONResponse({"accepted": True}, 202)
        return JSONResponse({"accepted": True, "run": named}, 202, header(RUN, named))

    async def stream(self, request: Request) -> Response:
        """Stream as server-sent events.

        A run that the caller has named goes on when the caller leaves, and is rejoined at `/runs/NAME/events`; any
        other ends then.
        """
        body = await _body(request, _KEYS)
        options = _options(request, body)
        run = options.pop("run")
        named = run or str(uuid.uuid4())
        found = self._recordings.get(named)
        if found is not None and not found.over:
            text = f"the run {run!r} is under way; read it at /runs/{run}/events"
            raise BadRequest(text, "run", 409, "run_conflict")

        async def begin(**more: Any) -> tuple[Message, AsyncGenerator[Message, None]]:
            payload, type = body.fields.get("payload"), body.text("type", "message")
            stream = self._served.stream(
                request.path_params["name"], payload, type, **options, **more
            )
            return await first_of(request, stream), stream

        try:
            first, stream = await begin(run=named)
        except ConfigurationError:  # an agent that is not durable has no runs but this one
            first, stream = await begin()
        recording = self._recordings.new(named, outlives=run is not None)
        recording.begin(_record(recording, first, stream))
        return EventStream(recording.after(0), header(RUN, named))

    async def run(self, request: Request) -> Response:
        """What is known of a run, with its answer if there is one."""
        name = request.path_params["run"]
        try:
            known = asdict(await self._served.run_info(name))
        except UnknownRun:
            recording = self._recordings.get(name)
            if recording is None:
                raise
            known = {"run": name, "status": "done" if recording.over else "running"}
            return JSONResponse(known)
        if known["status"] == "done":
            known["reply"] = _plain(await self._served.result(name))
        return JSONResponse(json_form(to_plain(known)))

    async def cancel(self, request: Request) -> Response:
        """End a run."""
        name = request.path_params["run"]
        cancelled = await self._served.cancel(name)
        recording = self._recordings.get(name)
        if recording is not None and not recording.over:
            await recording.cancel()
            cancelled = True
        if not cancelled and recording is None:
            await self._served.run_info(name)
        return JSONResponse({"run": name, "cancelled": cancelled})

    async def events(self, request: Request) -> Response:
        """The events of a run, from the one behind `Last-Event-ID` on."""
        name = request.path_params["run"]
        said = request.headers.get("last-event-id", "0")
        if not said.isdecimal() or len(said) > _DIGITS:
            raise BadRequest("Last-Event-ID must be the id of an event", "Last-Event-ID")
        recording = self._recordings.get(name)
        if recording is not None:
            return EventStream(recording.after(int(said)), header(RUN, name))
        await self._served.run_info(name)  # raises if there is none
        return EventStream(self._result(name), header(RUN, name))

    async def _result(self, name: str) -> AsyncGenerator[str, None]:
        """Of a run that this edge has not streamed, or an earlier one has: its answer."""
        try:
            reply = await self._served.result(name, timeout=None)
        except Exception as error:
            yield event(HttpFailure.of(error).body["error"], name="error")
        else:
            yield event(_plain(reply), name=reply.type)


async def _record(
    recording: Recording, first: Message, stream: AsyncGenerator[Message, None]
) -> None:
    last: Message | None = None  # the reply, perhaps: it is that if nothing comes behind it
    try:
        async with aclosing(stream):
            async for part in _with(first, stream):
                if last is not None:
                    await recording.add(last.type, to_plain(last.payload))
                last = None if part.type in EMITTED else part
                if last is None:
                    await recording.add(part.type, to_plain(part.payload))
        if last is not None:
            await recording.add(last.type, _plain(last))
    except Exception as error:
        await recording.add("error", HttpFailure.of(error).body["error"])
    finally:
        recording.end()


async def _with(
    first: Message, rest: AsyncGenerator[Message, None]
) -> AsyncGenerator[Message, None]:
    yield first
    async for each in rest:
        yield each


async def _body(request: Request, keys: frozenset[str]) -> Body:
    body = await Body.of(request)
    if unknown := sorted(body.fields.keys() - keys):
        raise BadRequest(
            f"the body has {unknown[0]!r}; it takes {', '.join(sorted(keys))}", unknown[0]
        )
    return body


def _options(request: Request, body: Body) -> dict[str, Any]:
    headers: Mapping[str, Any] = body.mapping("headers") or {}
    return {
        "timeout": body.number("timeout", _TIMEOUT),
        "conversation": body.maybe_text("conversation"),
        "headers": {**headers, **(trace_of(request) or {})} or None,
        "config": body.mapping("config"),
        "run": body.maybe_text("run"),
    }


def _plain(reply: Message) -> dict[str, Any]:
    return {
        "id": reply.id,
        "type": reply.type,
        "sender": reply.sender,
        "payload": json_form(to_plain(reply.payload)),
        "conversation": reply.conversation,
        "run": reply.run,
    }
