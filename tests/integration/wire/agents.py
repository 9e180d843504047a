"""Agents that do what their messages say and tell how it went, in whichever OS process they stand."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections import defaultdict
from contextlib import aclosing
from typing import Any

from civitas import AgentProcess, ErrorAction, Message
from civitas.errors import CivitasError
from tests.integration.wire.outcomes import outcome

GATES: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
"""What the agents of this OS process wait at, by name; a `Keeper` opens them."""

RUNTIMES: list[Any] = []
"""That of the system, in the process of the root."""

JOURNAL: list[Any] = []
"""What happened to the agents of this OS process; a `Keeper` reads it out."""


class Keeper(AgentProcess):
    """Opens the gates of its OS process, and reads its journal."""

    async def handle(self, message: Message) -> Message | None:
        match message.type:
            case "open":
                GATES[message.payload].set()
            case "shut":
                GATES[message.payload].clear()
            case "journal":
                found = [entry for name, entry in JOURNAL if name == message.payload]
                return self.reply(found)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
        return self.reply(os.getpid())


class Hand(AgentProcess):
    """Does what the type of a message says; each is a method `do_TYPE`."""

    async def handle(self, message: Message) -> Message | None:
        result = await getattr(self, f"do_{message.type.replace('.', '_')}")(message)
        if isinstance(result, Message):
            return result
        return None if result is NOTHING else self.reply(result)

    def note(self, entry: Any) -> None:
        """Write into the journal of this OS process."""
        JOURNAL.append((self.name, entry))

    async def do_echo(self, message: Message) -> Any:
        return message.payload

    async def do_where(self, message: Message) -> Any:
        return os.getpid()

    async def do_begin(self, message: Message) -> Any:
        """Answer in a conversation that begins with that."""
        return Message(
            type="reply",
            payload=message.id,
            sender=self.name,
            correlation_id=message.id,
            conversation=message.id,
        )

    async def do_family(self, message: Message) -> Any:
        return [self.name, self._civitas_family]

    async def do_note(self, message: Message) -> Any:
        self.note(message.payload)
        return NOTHING

    async def do_none(self, message: Message) -> Any:
        return NOTHING

    async def do_crash(self, message: Message) -> Any:
        raise ValueError(f"{self.name} crashes")

    async def do_stop(self, message: Message) -> Any:
        await self.stop()
        return NOTHING

    async def do_hold(self, message: Message) -> Any:
        self.note("hold")
        try:
            await GATES[message.payload].wait()
        except asyncio.CancelledError:
            self.note("cancelled")
            raise
        return "let go"

    async def do_hold_ask(self, message: Message) -> Any:
        """Ask somebody, and tell what became of it, once it is let go."""
        self.note("hold")
        await GATES[message.payload["gate"]].wait()
        return await outcome(self.ask(**message.payload["ask"]))

    async def do_hold_crash(self, message: Message) -> Any:
        await self.do_hold(message)
        raise ValueError(f"{self.name} crashes")

    async def do_envelope(self, message: Message) -> Any:
        return {
            "id": message.id,
            "sender": message.sender,
            "recipient": message.recipient,
            "conversation": message.conversation,
            "headers": dict(message.headers),
            "deadline": message.deadline,
            "timestamp": message.timestamp,
            "attempt": message.attempt,
        }

    async def do_bad_reply(self, message: Message) -> Any:
        return {"items": [1, object()]}

    async def do_ask(self, message: Message) -> Any:
        """Ask somebody, and tell what became of it."""
        return await outcome(self.ask(**message.payload))

    async def do_ask_by_runtime(self, message: Message) -> Any:
        """The same by way of the runtime, in the process of the root."""
        return await outcome(RUNTIMES[-1].ask(**message.payload))

    async def do_then_ask(self, message: Message) -> Any:
        """The same, but a failure is this agent's own."""
        return (await self.ask(**message.payload)).payload

    async def do_send(self, message: Message) -> Any:
        return await outcome(self.send(**message.payload))

    async def do_send_many(self, message: Message) -> Any:
        for number in range(message.payload["count"]):
            await self.send(message.payload["to"], number, "note")
        return "sent"

    async def do_send_bad(self, message: Message) -> Any:
        return await outcome(self.ask(message.payload, {"items": [1, 2, object()]}, "echo"))

    async def do_broadcast(self, message: Message) -> Any:
        return await self.broadcast(**message.payload)

    async def do_after(self, message: Message) -> Any:
        self.send_after(0.01, message.payload, "later", "note")
        return "armed"

    async def do_after_cancelled(self, message: Message) -> Any:
        self.send_after(0.01, message.payload, "never", "note").cancel()
        return "armed"

    async def do_emit(self, message: Message) -> Any:
        for number in range(message.payload):
            await self.emit(number)
        return "done"

    async def do_emit_crash(self, message: Message) -> Any:
        await self.do_emit(message)
        raise ValueError("after the chunks")

    async def do_emit_on(self, message: Message) -> Any:
        """Emit without end; the journal says how far it came."""
        number = 0
        try:
            while True:
                await self.emit(number)
                number += 1
                self.note(number)
        finally:
            self.note("left")

    async def do_stream(self, message: Message) -> Any:
        """Read a stream of another, `take` chunks of it."""
        take = message.payload.pop("take", None)
        read: list[Any] = []
        try:
            async with aclosing(self.stream(**message.payload)) as stream:
                async for each in stream:
                    read.append([each.type, each.payload])
                    if take is not None and len(read) == take:
                        break
        except CivitasError as error:
            read.append(["error", type(error).__name__])
        return read

    async def do_hold_stream(self, message: Message) -> Any:
        """Read one chunk of a stream of another, and no more until the gate opens."""
        async with aclosing(self.stream(message.payload["to"], None, "emit_on")) as stream:
            await anext(stream)
            self.note("reads")
            await GATES[message.payload["gate"]].wait()
        return "left"

    async def do_monitor(self, message: Message) -> Any:
        return await self.monitor(message.payload)

    async def do_demonitor(self, message: Message) -> Any:
        await self.demonitor(message.payload)

    async def do_civitas_down(self, message: Message) -> Any:
        self.note(message.payload)
        return NOTHING

    async def do_spawn(self, message: Message) -> Any:
        name, *args = message.payload
        try:
            return await self.spawn(Child, name, *args)
        except CivitasError as error:
            return [type(error).__name__, str(error)]

    async def do_spawn_unsendable(self, message: Message) -> Any:
        try:
            return await self.spawn(Child, message.payload, threading.Lock())
        except CivitasError as error:
            return [type(error).__name__, str(error)]

    async def do_terminate(self, message: Message) -> Any:
        return await self.terminate(message.payload)

    async def do_count(self, message: Message) -> Any:
        """Count in the state."""
        self.state["n"] = self.state.get("n", 0) + 1
        await self.checkpoint()
        return self.state["n"]

    async def do_step(self, message: Message) -> Any:
        """A step, and a crash the first time after it."""
        key = self.idempotency_key("pay")
        paid = await self.step("pay", self._pay, key)
        if message.attempt == 0:
            raise ValueError("after the step")
        return [paid, key]

    async def _pay(self, key: str) -> str:
        self.note(key)
        return f"paid {key}"

    async def do_llm(self, message: Message) -> Any:
        assert self.llm is not None
        response = await self.llm.chat("m", [{"role": "user", "content": message.payload}])
        return [response.content, response.tokens_in, response.model]

    async def do_llm_with_tools(self, message: Message) -> Any:
        assert self.llm is not None
        assert self.tools is not None
        response = await self.llm.chat("m", [], tools=self.tools.values())
        return response.content

    async def do_tools(self, message: Message) -> Any:
        assert self.tools is not None
        return {each.name: [each.description, each.parameters] for each in self.tools.values()}

    async def do_tool(self, message: Message) -> Any:
        assert self.tools is not None
        try:
            name = message.payload.pop("name")
            return await self.tools.call(name, **message.payload)
        except Exception as error:
            return [type(error).__name__, str(error)]

    async def do_has(self, message: Message) -> Any:
        return [self.llm is not None, self.tools is not None]


NOTHING = object()


class Child(Hand):
    """What is spawned: it keeps what its constructor was given."""

    def __init__(self, name: str, given: Any = None, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.given = given

    async def do_given(self, message: Message) -> Any:
        return [os.getpid(), self.given]


class Decider(Hand):
    """An agent whose `on_error` is given, by name."""

    def __init__(self, name: str, action: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.action = ErrorAction(action)

    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        self.note(["attempt", message.attempt])
        return self.action


class Threaded(AgentProcess):
    """Its handler is a plain `def`."""

    def handle(self, message: Message) -> Message | None:  # type: ignore[override]
        answer = self.run(self.ask(**message.payload))
        return self.reply([threading.current_thread().name, answer.payload])


class Leaves(Hand):
    """Asks others a last thing when it is stopped."""

    def __init__(self, name: str, *, to: list[str], **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.to = to

    async def on_stop(self) -> None:
        for to in self.to:
            asked = await outcome(self.ask(to, "bye", "echo"))
            streamed = await outcome(anext(self.stream(to, "bye", "echo")))
            told = (asked, streamed, await outcome(self.send(to, "bye", "note")))
            self.note([to, *(each.get("error", "") for each in told)])


class Announced(Hand):
    """Notes its start and its end."""

    async def on_start(self) -> None:
        self.note("start")

    async def on_stop(self) -> None:
        self.note("stop")


class Writes(Hand):
    """Writes its start and its end into a file that all processes share."""

    def __init__(self, name: str, file: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.file = file

    def write(self, what: str) -> None:
        """Append a line; no other comes between its letters."""
        handle = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(handle, f"{what} {self.name}\n".encode())
        finally:
            os.close(handle)

    async def on_start(self) -> None:
        self.write("start")

    async def on_stop(self) -> None:
        await asyncio.sleep(0)
        self.write("stop")


class Greets(Hand):
    """Sends to one agent and asks another while it starts."""

    def __init__(self, name: str, sends: str, asks: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.sends = sends
        self.asks = asks

    async def on_start(self) -> None:
        await self.send(self.sends, f"hello from {self.name}", "note")
        self.answer = (await self.ask(self.asks, self.name, "echo")).payload

    async def do_answer(self, message: Message) -> Any:
        return self.answer


class Fails(Hand):
    """Does not start."""

    async def on_start(self) -> None:
        raise LookupError("nothing there")


class Lingers(Hand):
    """Never gets ready; it begins to wait with an entry in a file."""

    def __init__(self, name: str, file: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.file = file

    async def on_start(self) -> None:
        with open(self.file, "a") as file:  # noqa: ASYNC230, PTH123
            file.write("start\n")
        await asyncio.Event().wait()


class Large(Hand):
    """Sends what is small enough in MessagePack, and not in JSON."""

    PAYLOAD = "\x01" * (12 * 1024 * 1024)

    async def do_large(self, message: Message) -> Any:
        send = self.ask if message.payload["how"] == "ask" else self.send
        return await outcome(send(message.payload["to"], self.PAYLOAD, "none"))

    async def do_large_reply(self, message: Message) -> Any:
        return self.PAYLOAD
