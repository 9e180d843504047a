"""The pictures of the page in the docs: a support desk of LangGraph agents at work, with a model that is scripted."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from civitas import AgentProcess, ConversationPool, Message, Runtime, Supervisor, wrap
from civitas.events import Event
from civitas.runtime import timeline
from civitas.state import InMemoryStateStore

__all__ = ["desk_at_work", "take"]

_QUESTIONS = (
    "Where is my order 1042?",
    "My order 1043 came broken. Can I have the money back?",
    "Is the blue lamp of order 1044 on its way?",
)
_SECONDS = 45.0


class _Model(BaseChatModel):
    """Looks the order up, then says what it found; takes its time, as models do."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> ChatResult:
        await asyncio.sleep(random.uniform(0.1, 0.8))
        order = "".join(each for each in str(messages[-1].content) if each.isdigit()) or "1042"
        read, written = sum(len(str(each.content)) for each in messages), 24
        broken = any("broken" in str(each.content) for each in messages)
        said = AIMessage(
            "I am sorry about that. A colleague has to agree before I send the money back."
            if broken
            else "Good news: it left our house on Monday, and should be with you tomorrow."
        )
        if not isinstance(messages[-1], ToolMessage):
            call = {"name": "find_order", "args": {"order": int(order)}, "id": "c1"}
            said = AIMessage("", tool_calls=[call])
        said.usage_metadata = {
            "input_tokens": read,
            "output_tokens": written,
            "total_tokens": read + written,
        }
        return ChatResult(generations=[ChatGeneration(message=said)])


async def _answer(state: MessagesState) -> dict[str, Any]:
    return {"messages": [await _Model().ainvoke(state["messages"])]}


async def _look_up(state: MessagesState) -> dict[str, Any]:
    await asyncio.sleep(random.uniform(0.05, 0.2))
    order = state["messages"][-1].tool_calls[0]["args"]["order"]  # type: ignore[union-attr]
    found = f"order {order}: 1 lamp, blue, 49 EUR; left on Monday with DHL"
    return {"messages": [ToolMessage(found, tool_call_id="c1", name="find_order")]}


async def _approve(state: MessagesState) -> dict[str, Any]:
    answer = interrupt("Refund 49 EUR for order 1043? The lamp came broken.")
    return {"messages": [AIMessage(f"The refund was {'granted' if answer else 'declined'}.")]}


def _graph(*, asks: bool = False) -> Callable[[], Any]:
    def made() -> Any:
        builder = StateGraph(MessagesState)
        builder.add_node("look at the question", _answer)
        builder.add_node("find the order", _look_up)
        builder.add_node("write the answer", _answer)
        builder.add_edge(START, "look at the question")
        builder.add_edge("look at the question", "find the order")
        builder.add_edge("find the order", "write the answer")
        if asks:
            builder.add_node("ask a colleague", _approve)
            builder.add_edge("write the answer", "ask a colleague")
        return builder.compile()

    return made


class _Clerk(AgentProcess):
    """Handles what comes, slowly; some of it is too much."""

    async def handle(self, message: Message) -> Message:
        await asyncio.sleep(random.uniform(0.05, 0.4))
        if message.type == "crash":
            raise ConnectionError("the parcel service does not answer")
        return self.reply("done")


@asynccontextmanager
async def desk_at_work() -> AsyncIterator[Runtime]:
    """A support desk with a pool of conversations, and a last hour."""
    pool = ConversationPool(
        "customers", wrap(_graph(), name="template", delivery="durable"), max_live=80
    )
    desk = Supervisor(
        "desk",
        [
            wrap(_graph(asks=True), name="refunds", delivery="durable"),
            wrap(_graph(), name="orders", delivery="durable"),
        ],
    )
    clerks = Supervisor("back-office", [_Clerk("parcels"), _Clerk("invoices"), _Clerk("archive")])
    root = Supervisor("root", [desk, pool, clerks], backoff="none", max_restarts=50)
    # Who blocks the event loop is named with the path of a file, which is another on each machine.
    timeline._TOO_MANY = (*timeline._TOO_MANY, "blocked")  # type: ignore[assignment]
    async with Runtime(
        root,
        name="support",
        drain_timeout=0,
        state_store=InMemoryStateStore(),
        prices={"*": {"in": 2.5, "out": 10}},
    ) as runtime:
        runtime._timeline._kept.extend(_last_hour())
        yield runtime


def _last_hour() -> list[Event]:
    now, found = time.time(), []
    for minutes, type, name, text in (
        (57, "node_up", "worker-2", "worker-2 joined"),
        (44, "crashed", "parcels", "ConnectionError: the parcel service does not answer"),
        (44, "restarted", "parcels", "parcels is back"),
        (43, "crashed", "parcels", "ConnectionError: the parcel service does not answer"),
        (43, "restarted", "parcels", "parcels is back"),
        (29, "acted", "customers", "pause of 'customers' by the web page"),
        (27, "acted", "customers", "resume of 'customers' by the web page"),
        (16, "node_down", "worker-2", "worker-2 left"),
        (15, "node_up", "worker-2", "worker-2 joined"),
        (6, "crashed", "invoices", "ValueError: the card was refused"),
        (6, "restarted", "invoices", "invoices is back"),
    ):
        found.append(Event(type, name, "root", "", text, now - 60 * minutes))  # type: ignore[arg-type]
    return found


async def take(page: Any, url: str, runtime: Runtime, folder: Path) -> None:
    """Open the page, let the desk work for a while, and take its pictures."""

    async def work() -> None:
        talks = [f"customer-{number}" for number in range(2301, 2362)]
        for number in range(10_000):
            talk = talks[number % 61 if number < 61 else random.randrange(61)]
            question = {"messages": [{"role": "user", "content": random.choice(_QUESTIONS)}]}
            await runtime.send("customers", question, conversation=talk)
            await runtime.send(random.choice(["parcels", "archive"]), "look")
            if number == 90:
                await runtime.send("parcels", "look", message_type="crash")
            if number % 10 == 0:
                await runtime.send("orders", question, conversation=talk)
            await asyncio.sleep(random.uniform(0.05, 0.4))

    async def picture(name: str, *, whole: bool = False) -> None:
        await page.screenshot(path=folder / f"web-{name}.png", full_page=whole)

    broken = {"messages": [{"role": "user", "content": _QUESTIONS[1]}]}
    await runtime.ask("refunds", broken, conversation="customer-2318")
    await page.set_viewport_size({"width": 1280, "height": 1040})
    await page.goto(url)
    working = asyncio.create_task(work())
    await page.get_by_role("button", name="Record").click()
    await asyncio.sleep(_SECONDS)
    await page.evaluate("scrollTo(0, 0)")
    await picture("light")
    await page.emulate_media(color_scheme="dark")
    await picture("dark")
    await page.locator(".traces .name", has_text="customers").nth(8).click()
    await page.locator(".waterfall").wait_for()
    await page.locator("#traces").evaluate("each => each.closest('section').scrollIntoView()")
    await picture("traces")
    await page.emulate_media(color_scheme="light")
    await page.evaluate("location.hash = 'conversation=refunds%2Fcustomer-2318'")
    await page.locator(".said.asks").wait_for()
    await picture("conversation")
    await page.keyboard.press("Escape")
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.evaluate("scrollTo(0, 0)")
    await picture("phone", whole=True)
    working.cancel()
    await asyncio.wait([working])
