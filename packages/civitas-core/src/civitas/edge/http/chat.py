"""`/v1/chat/completions` and `/v1/models`, as OpenAI's API has them; a model's name is an agent's."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from civitas.edge.http.answering import Answering
from civitas.edge.http.bodies import Body
from civitas.edge.http.conversing import OpenQuestions
from civitas.edge.http.failures import BadRequest, HttpFailure
from civitas.edge.http.headers import header, trace_of
from civitas.edge.http.leaving import first_of, unless_left
from civitas.edge.http.messages import check_tool_choice, messages_in
from civitas.edge.http.served_system import ServedSystem, agents_of
from civitas.edge.http.sse import EventStream, event
from civitas.errors import UnknownAgent
from civitas.message import Message
from civitas.process.progress import USAGE

__all__ = ["CONVERSATION", "ChatApi", "tokens_of"]

CONVERSATION = "x-civitas-conversation"
"""The header that names the conversation of a chat, which has no means of its own for that."""


class ChatApi:
    """Chats, and the agents that can be talked to.

    Args:
        served: The system.
        system: Its name.
    """

    def __init__(self, served: ServedSystem, system: str) -> None:
        self._served = served
        self._system = system
        self._since = int(time.time())
        self._questions = OpenQuestions(served)

    async def models(self, _: Request) -> Response:
        """The agents."""
        names = [each["name"] for each in agents_of(self._served.tree())]
        return JSONResponse({"object": "list", "data": [self._model(name) for name in names]})

    async def model(self, request: Request) -> Response:
        """One agent."""
        name = request.path_params["name"]
        if name not in {each["name"] for each in agents_of(self._served.tree())}:
            raise UnknownAgent(name, [])
        return JSONResponse(self._model(name))

    def _model(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._since, "owned_by": self._system}

    async def complete(self, request: Request) -> Response:
        """Let an agent answer."""
        body = await Body.of(request)
        name = body.text("model")
        if body.fields.get("n") not in (None, 1):
            raise BadRequest("an agent gives one answer; leave out 'n'", "n")
        check_tool_choice(body)
        messages = messages_in(body, "messages")
        conversation = request.headers.get(CONVERSATION) or _conversation_in(body)
        payload, type = await self._payload(name, messages, conversation)
        answering = Answering(self._served, name, payload, type, conversation, trace_of(request))
        reply = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": name}
        if body.flag("stream"):
            usage = (body.mapping("stream_options") or {}).get("include_usage") is True
            parts = answering.parts()
            first = await first_of(request, parts, "")
            return EventStream(self._chunks(name, reply, answering, first, parts, usage=usage))
        text = await unless_left(request, answering.whole())
        assert answering.reply is not None  # it has answered
        self._questions.heard(name, answering.reply)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "finish_reason": "stop",
            "logprobs": None,
        }
        found = reply | {"object": "chat.completion", "choices": [choice]}
        found["usage"] = _usage(answering)
        return JSONResponse(
            found | answering.asked(), headers=header(CONVERSATION, answering.reply.conversation)
        )

    async def _payload(
        self, name: str, messages: list[dict[str, Any]], conversation: str | None
    ) -> tuple[dict[str, Any], str]:
        """What the agent gets: without a conversation all that was said, with one what is new."""
        if conversation is None:
            if len(messages) == 1 and messages[0]["role"] == "user":
                return {"input": messages[0]["content"]}, "message"
            return {"input": messages}, "message"
        said = messages[-1]["content"]
        answers = await self._questions.answered(name, conversation, said)
        return (answers, "resume") if answers is not None else ({"input": said}, "message")

    async def _chunks(
        self,
        name: str,
        reply: dict[str, Any],
        answering: Answering,
        first: str,
        parts: AsyncGenerator[str, None],
        *,
        usage: bool,
    ) -> AsyncGenerator[str, None]:
        base = reply | {"object": "chat.completion.chunk"}

        def chunk(delta: dict[str, Any], why: str | None = None) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": why, "logprobs": None}
            return event(base | {"choices": [choice]})

        async with aclosing(parts):
            yield chunk({"role": "assistant", "content": ""})
            if first:
                yield chunk({"content": first})
            try:
                async for text in parts:
                    yield chunk({"content": text})
            except Exception as error:
                yield event(HttpFailure.of(error).body)
                return
        assert answering.reply is not None  # it has answered
        self._questions.heard(name, answering.reply)
        yield chunk({}, "stop")
        if usage:
            yield event(base | {"choices": [], "usage": _usage(answering)})
        yield "data: [DONE]\n\n"


def _conversation_in(body: Body) -> str | None:
    return Body(body.mapping("metadata") or {}).maybe_text("conversation")


def tokens_of(answering: Answering) -> tuple[int, int, int]:
    """Tokens that went in, that came out, and all, as the reply says; 0 where it does not.

    An adapter says it in a header, an agent of one's own may say it in its payload, under `usage`.
    """
    said = _usage_in(answering.reply)

    def number(*keys: str) -> int:
        found = (said.get(key) for key in keys)
        return next((each for each in found if type(each) is int and each >= 0), 0)

    prompt = number("input_tokens", "prompt_tokens")
    completion = number("output_tokens", "completion_tokens")
    return prompt, completion, number("total_tokens") or prompt + completion


def _usage_in(reply: Message | None) -> Mapping[str, Any]:
    if reply is None:
        return {}
    found = reply.payload.get("usage") if isinstance(reply.payload, Mapping) else None
    with suppress(ValueError):  # any agent may write the header
        found = json.loads(reply.headers[USAGE]) if USAGE in reply.headers else found
    return found if isinstance(found, Mapping) else {}


def _usage(answering: Answering) -> dict[str, int]:
    prompt, completion, total = tokens_of(answering)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
