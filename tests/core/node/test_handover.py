"""An idle recipient of an ask runs at once, and nobody else waits longer for that."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from civitas import AgentProcess, HandlerFailed, Message, Runtime, Supervisor

mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="unset")


class Echo(AgentProcess):
    async def handle(self, message: Message) -> Message:
        match message.type:
            case "crash":
                raise ValueError("as told")
            case "who":
                task = asyncio.current_task()
                seen, _ = mark.get(), mark.set("the agent's")
                return self.reply([task.get_name() if task else None, seen])
            case "wait":
                await asyncio.sleep(0)
            case "time out":
                async with asyncio.timeout(0.001):
                    await asyncio.Event().wait()
        return self.reply(message.payload)


class Next(AgentProcess):
    """Asks the agent of the next higher number."""

    async def handle(self, message: Message) -> Message:
        number = int(self.name)
        if number == message.payload:
            return self.reply(1)
        reply = await self.ask(str(number + 1), message.payload)
        return self.reply(reply.payload + 1)


def tree(*agents: AgentProcess) -> Runtime:
    return Runtime(Supervisor("root", children=list(agents), backoff="NONE"))


async def test_an_idle_agent_answers_within_the_turn_of_the_asker() -> None:
    async with tree(Echo("echo")) as runtime:
        await asyncio.sleep(0)
        turns: list[str] = []
        asyncio.get_running_loop().call_soon(turns.append, "next")
        reply = await runtime.ask("echo", "hello")
        assert (reply.payload, turns) == ("hello", [])


async def test_an_agent_that_asks_without_end_starves_nobody() -> None:
    async with tree(Echo("echo")) as runtime:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.create_task(count())
        async with asyncio.timeout(5):
            while turns < 10:
                await runtime.ask("echo", "hello")
        counting.cancel()


async def test_the_recipient_runs_in_its_own_task_and_context() -> None:
    async with tree(Echo("echo")) as runtime:
        task = asyncio.current_task()
        mark.set("the asker's")
        reply = await runtime.ask("echo", None, "who")
        assert reply.payload == ["civitas:echo", "unset"]
        assert asyncio.current_task() is task
        assert mark.get() == "the asker's"


async def test_a_recipient_that_waits_answers_later() -> None:
    async with tree(Echo("echo")) as runtime:
        assert (await runtime.ask("echo", 1, "wait")).payload == 1
        with pytest.raises(HandlerFailed, match="TimeoutError"):
            await runtime.ask("echo", 1, "time out")


async def test_a_crash_of_the_recipient_ends_neither_the_asker_nor_the_next_ask() -> None:
    async with tree(Echo("echo")) as runtime:
        with pytest.raises(HandlerFailed, match="as told"):
            await runtime.ask("echo", None, "crash")
        assert (await runtime.ask("echo", 2)).payload == 2


async def test_a_chain_of_asks_may_be_longer_than_the_stack_is_deep() -> None:
    length = 2000
    async with tree(*(Next(str(number)) for number in range(length + 1))) as runtime:
        assert (await runtime.ask("0", length)).payload == length + 1


@pytest.mark.promise(id="SEM-101")
async def test_messages_of_one_sender_stay_in_order_where_an_ask_follows_sends() -> None:
    seen: list[int] = []

    class Log(AgentProcess):
        async def handle(self, message: Message) -> Message:
            seen.append(message.payload)
            return self.reply(None)

    async with tree(Log("log")) as runtime:
        await asyncio.sleep(0)
        await runtime.send("log", 1)
        await runtime.send("log", 2)
        await runtime.ask("log", 3)
    assert seen == [1, 2, 3]
