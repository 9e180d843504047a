"""`/v1/responses`, as OpenAI's API has it; a model's name is an agent's."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from itertools import count
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from civitas.edge.http.answering import Answering
from civitas.edge.http.bodies import Body
from civitas.edge.http.chat import tokens_of
from civitas.edge.http.conversing import OpenQuestions
from civitas.edge.http.failures import BadRequest, HttpFailure
from civitas.edge.http.headers import trace_of
from civitas.edge.http.leaving import first_of, unless_left
from civitas.edge.http.messages import check_tool_choice, messages_in
from civitas.edge.http.served_system import ServedSystem
from civitas.edge.http.sse import EventStream, event

__all__ = ["ResponsesApi"]

_PREFIX = "resp_"
_UNIQUE = 12
"""Characters of an id that make it unique; what follows is the conversation."""


class ResponsesApi:
    """Responses. The conversation of one is in its id, so that the next goes on with it from any edge.

    Args:
        served: The system.
    """

    def __init__(self, served: ServedSystem) -> None:
        self._served = served
        self._questions = OpenQuestions(served)

    async def create(self, request: Request) -> Response:
        """Let an agent answer."""
        body = await Body.of(request)
        name = body.text("model")
        check_tool_choice(body)
        conversation = _conversation(body)
        base = _response(name, body, conversation)
        payload, type = await self._payload(name, body, conversation)
        answering = Answering(self._served, name, payload, type, conversation, trace_of(request))
        if body.flag("stream"):
            parts = answering.parts()
            first = await first_of(request, parts, "")
            return EventStream(self._events(base, answering, first, parts))
        await unless_left(request, answering.whole())
        return JSONResponse(self._completed(base, answering, _item_id()))

    async def _payload(
        self, name: str, body: Body, conversation: str | None
    ) -> tuple[dict[str, Any], str]:
        given = _input(body)
        if isinstance(given, str):
            answers = await self._questions.answered(name, conversation, given)
            if answers is not None:
                return answers, "resume"
        instructions = body.maybe_text("instructions")
        if instructions:
            said = [{"role": "user", "content": given}] if isinstance(given, str) else given
            given = [{"role": "system", "content": instructions}, *said]
        return {"input": given}, "message"

    def _completed(self, base: dict[str, Any], answering: Answering, item: str) -> dict[str, Any]:
        reply = answering.reply
        assert reply is not None  # it has answered
        self._questions.heard(base["model"], reply)
        prompt, completion, total = tokens_of(answering)
        found = base | {
            "status": "completed",
            "completed_at": int(time.time()),
            "output": [_item(item, "completed", [_text(answering.text)])],
            "usage": {
                "input_tokens": prompt,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": completion,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": total,
            },
        }
        return found | answering.asked()

    async def _events(
        self,
        base: dict[str, Any],
        answering: Answering,
        first: str,
        parts: AsyncGenerator[str, None],
    ) -> AsyncGenerator[str, None]:
        numbers, item = count(), _item_id()

        def told(type: str, **fields: Any) -> str:
            return event({"type": type, "sequence_number": next(numbers), **fields}, name=type)

        where = {"item_id": item, "output_index": 0, "content_index": 0}
        async with aclosing(parts):
            yield told("response.created", response=base)
            yield told("response.in_progress", response=base)
            yield told(
                "response.output_item.added", output_index=0, item=_item(item, "in_progress", [])
            )
            yield told("response.content_part.added", **where, part=_text(""))
            if first:
                yield told("response.output_text.delta", **where, delta=first, logprobs=[])
            try:
                async for text in parts:
                    yield told("response.output_text.delta", **where, delta=text, logprobs=[])
            except Exception as error:
                failure = HttpFailure.of(error).body["error"]
                said = {"code": failure["code"], "message": failure["message"]}
                yield told("response.failed", response=base | {"status": "failed", "error": said})
                return
        whole = _text(answering.text)
        yield told("response.output_text.done", **where, text=answering.text, logprobs=[])
        yield told("response.content_part.done", **where, part=whole)
        yield told(
            "response.output_item.done", output_index=0, item=_item(item, "completed", [whole])
        )
        completed = self._completed(base, answering, item)
        yield told("response.completed", response=completed)


def _response(name: str, body: Body, conversation: str | None) -> dict[str, Any]:
    metadata = body.mapping("metadata") or {}
    try:
        json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise BadRequest(f"'metadata' cannot be sent back: {error}", "metadata") from None
    return {
        "id": _id_of(conversation),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "model": name,
        "output": [],
        "error": None,
        "incomplete_details": None,
        "instructions": body.fields.get("instructions"),
        "metadata": metadata,
        "parallel_tool_calls": True,
        "previous_response_id": body.fields.get("previous_response_id"),
        "conversation": None if "conversation" not in body.fields else {"id": conversation},
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }


def _conversation(body: Body) -> str | None:
    """The conversation that a request goes on with, or begins; None where nothing is to be kept."""
    given = body.fields.get("conversation")
    previous = body.maybe_text("previous_response_id")
    if given is not None:
        if previous is not None:
            raise BadRequest(
                "'conversation' and 'previous_response_id' mean the same; send one", "conversation"
            )
        found = given.get("id") if isinstance(given, Mapping) else given
        if not isinstance(found, str) or not found:
            raise BadRequest("'conversation' must be an id, or {'id': ...}", "conversation")
        return found
    if previous is not None:
        return _conversation_in(previous)
    return str(uuid.uuid4()) if body.flag("store", default=True) else None


def _id_of(conversation: str | None) -> str:
    unique = uuid.uuid4().hex[:_UNIQUE]
    said = (
        base64.urlsafe_b64encode((conversation or "").encode("utf-8", "surrogatepass"))
        .decode()
        .rstrip("=")
    )
    return f"{_PREFIX}{unique}{said}"


def _conversation_in(id: str) -> str:
    said = id.removeprefix(_PREFIX)[_UNIQUE:]
    try:
        found = base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)).decode()
    except ValueError:
        found = ""
    if not id.startswith(_PREFIX) or not found:
        raise BadRequest(
            f"there is no response {id!r} that a conversation was kept of",
            "previous_response_id",
            404,
        )
    return found


def _input(body: Body) -> str | list[dict[str, Any]]:
    given = body.fields.get("input")
    if isinstance(given, str):
        return given
    found = messages_in(body, "input")
    if len(found) == 1 and found[0]["role"] == "user":
        return str(found[0]["content"])
    return found


def _item_id() -> str:
    return f"msg_{uuid.uuid4().hex}"


def _item(id: str, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": id, "type": "message", "role": "assistant", "status": status, "content": content}


def _text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
