"""One prompt: from the caller's words to the last part of the answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from civitas.edge.nats_agents.words import ACK, KEEPALIVE, NoAnswer, Prompt, PromptFailure, chunk
from civitas.edge.questions import answer_to, question_of, questions_in
from civitas.edge.texts import EMITTED, as_json, text_of, token_of
from civitas.errors import AgentTerminated
from civitas.message import Message
from civitas.process import Messenger

if TYPE_CHECKING:
    from nats.aio.client import Client

__all__ = ["Prompting", "meant"]

log = logging.getLogger("civitas.edge")

_KEEPALIVE = 20.0
"""Seconds between two signs that the agent is still at work: callers wait for 60 s."""
_PATIENCE = 600.0
"""Seconds that a caller has for the answer to a question."""
_IS_ANYBODY_THERE = 1.0
"""Seconds for the server to say that nobody listens any more; it does so at once."""
_GONE = 2
"""So often in a row it must say so, as the caller may have lost its connection for a moment."""
_SAFE = 8
"""Bytes that a character may take in a message, with room for what stands around the text."""


class Prompting:
    """Lets an agent answer a prompt.

    Args:
        agents: The way to the agents.
        name: Of the agent.
        client: The connection.
        reply: Where the caller listens.
    """

    def __init__(self, agents: Messenger, name: str, client: Client, reply: str) -> None:
        self._agents = agents
        self._name = name
        self._client = client
        self._reply = reply
        self._told: list[str] = []
        """The text that the caller has."""

    async def run(self, data: bytes, headers: dict[str, str] | None) -> None:
        """Answer what arrived; cancelled, it tells the caller that the system stops."""
        await self._publish(ACK)
        alive = asyncio.get_running_loop().create_task(self._show_life(asyncio.current_task()))
        failure: PromptFailure | None = None
        try:
            await self._answer(Prompt.read(data, headers))
        except asyncio.CancelledError:
            if alive.done():  # it was cancelled from there: nobody listens any more
                return
            failure = PromptFailure.of(AgentTerminated(self._name, "the system stops"))
        except Exception as error:
            failure = PromptFailure.of(error)
            if failure.word == "internal_error":
                log.exception("a prompt to %r could not be answered", self._name)
        finally:
            alive.cancel()
            await asyncio.wait({alive})
        if failure is not None:
            await self._publish(failure.body(), failure.headers())
        await self._publish(b"")

    async def _answer(self, prompt: Prompt) -> None:
        reply = await self._stream({"input": prompt.text}, "message", prompt, prompt.conversation)
        while questions := questions_in(reply):
            answers = {each["id"]: meant(each, await self._ask(each)) for each in questions}
            reply = await self._stream({"values": answers}, "resume", prompt, reply.conversation)
        await self._say_rest(text_of(reply.payload))

    async def _stream(
        self, payload: Any, type: str, prompt: Prompt, conversation: str | None
    ) -> Message:
        """Tell what the agent emits; its reply is returned."""
        stream = self._agents.stream(
            self._name,
            payload,
            type,
            timeout=None,
            conversation=conversation,
            headers=prompt.headers or None,
        )
        last: Message | None = None
        async with aclosing(stream) as parts:
            async for part in parts:
                if last is not None:
                    await self._tell(last)
                    last = None
                if part.type in EMITTED:
                    await self._tell(part)
                else:
                    last = part  # the reply, perhaps
        assert last is not None  # a stream ends with its reply, or raises
        return last

    async def _tell(self, part: Message) -> None:
        payload = part.payload
        match part.type:
            case "token":
                await self._say(token_of(payload))
            case "step" | "tool" if isinstance(payload, Mapping) and "name" in payload:
                await self._publish(chunk("status", f"{part.type}: {payload['name']}"))
            case "step" | "tool" | "custom":
                await self._publish(chunk("status", f"{part.type}: {as_json(payload)}"))
            case _:
                await self._say(text_of(payload))

    async def _say(self, text: str) -> None:
        if not text:
            return
        self._told.append(text)
        size = self._client.max_payload // _SAFE
        for begin in range(0, len(text), size):
            await self._publish(chunk("response", text[begin : begin + size]))

    async def _say_rest(self, text: str) -> None:
        """Say what the reply holds beyond what was streamed of it."""
        told = "".join(self._told)
        if text.startswith(told):
            await self._say(text[len(told) :])
        elif not told.endswith(text):
            await self._say(f"\n\n{text}")

    async def _ask(self, interrupt: Mapping[str, Any]) -> Prompt:
        """Let the caller answer a question of the agent.

        Raises:
            NoAnswer: It did not in time. The question stays open.
            BadPrompt: Its answer is none.
        """
        # Callers may publish to inboxes, and not to the subjects of this system.
        inbox = f"_INBOX.{self._client._nuid.next().decode()}"
        subscription = await self._client.subscribe(inbox, max_msgs=1)
        try:
            data = {
                "id": str(interrupt["id"]),
                "reply_subject": inbox,
                "prompt": question_of(interrupt),
            }
            await self._publish(chunk("query", data))
            answer = await subscription.next_msg(_PATIENCE)
        except TimeoutError as error:
            raise NoAnswer(
                f"the question of {self._name!r} was not answered for {_PATIENCE:g} s; it stays open"
            ) from error
        finally:
            with suppress(Exception):  # it ended with its one message, or its connection
                await subscription.unsubscribe()
        return Prompt.read(answer.data)

    async def _show_life(self, prompting: asyncio.Task[Any] | None) -> None:
        """Say now and then that the agent is at work, and stop it when nobody listens any more."""
        from nats.errors import NoRespondersError

        missing = 0
        while missing < _GONE:
            await asyncio.sleep(_KEEPALIVE)
            try:
                await self._client.request(self._reply, KEEPALIVE, _IS_ANYBODY_THERE)
            except NoRespondersError:
                missing += 1
            except Exception:
                missing = (
                    0  # somebody listens and does not answer, as is right; or the server is away
                )
        log.info("whoever prompted %r is gone: its work on that ends", self._name)
        if prompting is not None:
            prompting.cancel()

    async def _publish(self, data: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            await self._client.publish(self._reply, data, headers=headers)
        except Exception as error:
            log.debug("nats: a part of an answer of %r was lost: %s", self._name, error)


def meant(interrupt: Mapping[str, Any], said: Prompt) -> Any:
    """An envelope with ``value`` is that value; anything else is words."""
    if "value" in said.envelope:
        return said.envelope["value"]
    return answer_to(interrupt, said.text)
