"""Calls that had begun, and of whose results nothing is known."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import pytest

from civitas import (
    AgentProcess,
    ConfigurationError,
    ErrorAction,
    HandlerFailed,
    InMemoryStateStore,
    Message,
    Runtime,
    Supervisor,
    UnknownInterrupt,
)
from civitas.process import open_calls
from tests.core.process.shop import Case, Plain, Shop, Written, killed

QUESTIONS = "civitas:suspended:"


@pytest.mark.promise(id="SEM-1672")
async def test_by_default_a_call_is_made_again_with_its_key_and_nothing_is_noted() -> None:
    async with Case(on_ambiguous="repeat") as case:
        assert case.asked.payload == [{"charged": 3}, "mailed"]
        first, again, _ = case.log
        assert first == again
        assert case.store.commits == [["charge"], ["mail"]]


@pytest.mark.promise(id="SEM-1673")
async def test_a_call_that_a_kill_met_is_not_made_again_but_asked_about() -> None:
    async with Case() as case:
        (question,) = case.asked.payload["interrupts"]
        assert case.asked.type == "interrupt"
        assert len(case.log) == 1
        since = question["value"].pop("since")
        (run,) = case.runtime.runs()
        assert run.since < since < (run.ended or 0)
        assert question == {
            "id": case.log[0],
            "value": {
                "agent": "a",
                "run": "order-1",
                "call": "charge",
                "kind": "step",
                "step": "charge",
                "arguments": [3],
                "idempotency_key": case.log[0],
            },
        }
        (waits,) = run.waits_for
        assert (run.status, waits["id"], waits["step"]) == ("waiting", case.log[0], "charge")


@pytest.mark.promise(id="SEM-1674")
async def test_what_happened_is_not_done_again_and_the_run_goes_on_with_the_result() -> None:
    async with Case() as case:
        reply = await case.answer({"happened": True, "result": {"charged": 9}})
        assert (reply.type, reply.payload) == ("reply", [{"charged": 9}, "mailed"])
        assert case.log[1:] == ["mail"]
        assert [each.status for each in case.runtime.runs()] == ["done", "done"]
    assert await case.store.keys(QUESTIONS) == await case.store.keys("civitas:step:") == []


@pytest.mark.promise(id="SEM-1674")
async def test_what_did_not_happen_is_done_with_the_same_key() -> None:
    async with Case() as case:
        reply = await case.answer({"happened": False})
        assert reply.payload == [{"charged": 3}, "mailed"]
        assert case.log == [case.log[0]] * 2 + ["mail"]


@pytest.mark.promise(id="SEM-1674")
async def test_an_answer_that_says_nothing_of_the_call_leaves_the_question_open() -> None:
    async with Case() as case:
        for wrong, said in (
            (True, "got True"),
            ({"happened": "yes"}, "got"),
            ({"happened": True}, "the result is missing"),
            ({"happened": False, "result": 1}, "has no result"),
            ({"happened": False, "why": 1}, "there is no such key"),
        ):
            with pytest.raises(HandlerFailed, match=said):
                await case.answer(wrong)
        with pytest.raises(UnknownInterrupt):
            await case.answer({"happened": False}, id="another")
        assert case.runtime.tree()["children"][0]["restarts"] == 1
        assert (await case.answer({"happened": True, "result": None})).payload == [None, "mailed"]
        # It is over, and the agent has no answer to a `resume` of its own.
        with pytest.raises(HandlerFailed, match="amount"):
            await case.answer({"happened": False})


@pytest.mark.promise(id="SEM-1684")
async def test_calls_that_were_made_at_once_are_asked_about_together() -> None:
    async with Case(at_once=True) as case:
        questions = case.asked.payload["interrupts"]
        charge, mail = (each["id"] for each in questions)
        with pytest.raises(HandlerFailed, match="2 interrupts are open"):
            await case.answer({"happened": False})
        left = await case.answer({"happened": True, "result": 1}, id=charge)
        assert left.payload == {"interrupts": questions[1:]}
        with pytest.raises(UnknownInterrupt):
            await case.answer({"happened": False}, id=charge)
        assert (await case.answer({"happened": False}, id=mail)).payload == [1, "mailed"]
        assert case.log[1:] == ["mail", "mail"]


@pytest.mark.promise(id="SEM-1685")
async def test_a_new_message_of_the_conversation_drops_the_question() -> None:
    async with Case() as case:
        conversation = case.asked.conversation
        reply = await case.runtime.ask("a", {"amount": 5}, conversation=conversation)
        assert reply.payload == [{"charged": 5}, "mailed"]
        with pytest.raises(HandlerFailed):
            await case.answer({"happened": False})
        # The key that was asked about is not used again.
        assert case.log[0] not in case.log[1:]
    assert await case.store.keys("civitas:s") == []


@pytest.mark.promise(id="SEM-1685")
async def test_whoever_streams_the_answer_reads_what_the_run_emits_then() -> None:
    async with Case() as case:
        payload = {"value": {"happened": True, "result": 1}}
        stream = case.runtime.stream("a", payload, "resume", conversation=case.asked.conversation)
        async with aclosing(stream) as told:
            heard = [(each.type, each.payload) async for each in told]
    assert heard == [("chunk", [1, "mailed"]), ("reply", [1, "mailed"])]


class Held(Written):
    """Holds up what is written of a question at its end: once, and it is written if `first`."""

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        self.first, self.comes = first, asyncio.Event()

    async def _hold(self) -> None:
        if not self.comes.is_set():
            self.comes.set()
            await asyncio.sleep(60)

    async def write(
        self, changes: Mapping[str, Any], *, expect: Mapping[str, int] = {}
    ) -> dict[str, int]:
        written = await super().write(changes, expect=expect)
        if self.first and any(value and value.get("over") for value in changes.values()):
            await self._hold()
        return written

    async def delete(self, key: str) -> None:
        if not self.first and key.startswith(QUESTIONS):
            await self._hold()
        await super().delete(key)


@pytest.mark.promise(id="SEM-1698")
@pytest.mark.parametrize("first", [True, False], ids=["before it ends", "when it has ended"])
async def test_a_kill_at_the_end_of_a_run_that_was_asked_about_leaves_no_question(
    first: bool,
) -> None:
    store = Held(first=first)
    async with Case(store) as case:
        answering = asyncio.ensure_future(case.answer({"happened": True, "result": 9}))
        await store.comes.wait()
        await case.runtime.restart("a")
        assert (await answering).payload == [9, "mailed"]
        # The agent is given what comes next itself.
        with pytest.raises(HandlerFailed, match="amount"):
            await case.answer({"happened": False})
        assert case.log[1:] == ["mail"]
    assert await store.keys(QUESTIONS) == await store.keys("civitas:step:") == []


@pytest.mark.promise(id="SEM-1698")
async def test_a_run_that_failed_and_whose_end_a_kill_hid_may_be_asked_about_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hangs = asyncio.Event()

    async def mail(shop: Shop) -> str:
        shop.log.append("mail")
        if shop.log.count("mail") == 1:
            raise ValueError("no mail today")
        hangs.set()
        await asyncio.sleep(60)
        return "mailed"

    monkeypatch.setattr(Shop, "mail", mail)
    monkeypatch.setattr(Shop, "on_error", lambda *_: ErrorAction.SKIP)
    store = Held(first=True)
    async with Case(store) as case:
        answering = asyncio.ensure_future(case.answer({"happened": True, "result": 9}))
        await store.comes.wait()
        await case.runtime.restart("a")
        await hangs.wait()
        await asyncio.sleep(0)
        await case.runtime.restart("a")
        assert (await answering).type == "interrupt"
        reply = await case.answer({"happened": True, "result": "mailed"})
        assert reply.payload == [9, "mailed"]


@pytest.mark.promise(id="SEM-1677")
async def test_the_question_outlives_the_program_and_a_store_of_three_methods_will_do() -> None:
    store: Any = Plain()
    async with Case(store) as case:
        pass
    async with Runtime(
        Supervisor("root", [Shop("a", case.log, asyncio.Event(), on_ambiguous="interrupt")]),
        state_store=store,
    ) as runtime:
        payload = {"value": {"happened": True, "result": 1}}
        reply = await runtime.ask("a", payload, "resume", conversation=case.asked.conversation)
        assert reply.payload == [1, "mailed"]


@pytest.mark.promise(id="SEM-1677")
async def test_a_kill_behind_the_answer_asks_nothing_that_was_answered() -> None:
    """The answer is in the store; the call that it let be made is asked about anew."""

    class Again(Shop):
        async def charge(self, amount: int) -> Any:
            self.log.append("charge")
            if len(self.log) < 3:
                self.hangs.set()
                await asyncio.sleep(60)
            return amount

    log: list[str] = []
    hangs = asyncio.Event()
    tree = Supervisor("root", [Again("a", log, hangs, on_ambiguous="interrupt")], backoff="none")
    async with Runtime(tree, state_store=InMemoryStateStore()) as runtime:
        asked = await killed(runtime, hangs)
        hangs.clear()
        ask = runtime.ask(
            "a", {"value": {"happened": False}}, "resume", conversation=asked.conversation
        )
        answering = asyncio.ensure_future(ask)
        await hangs.wait()
        await runtime.restart("a")
        again = await answering
        (first,), (second,) = asked.payload["interrupts"], again.payload["interrupts"]
        assert (again.type, second["id"]) == ("interrupt", first["id"])
        assert second["value"]["since"] > first["value"]["since"]
        payload = {"value": {"happened": False}}
        reply = await runtime.ask("a", payload, "resume", conversation=again.conversation)
        assert (reply.payload, log) == ([3, "mailed"], ["charge"] * 3 + ["mail"])


@pytest.mark.promise(id="SEM-1676")
@pytest.mark.parametrize("parallel", [False, True])
async def test_a_call_costs_one_commit_with_its_note(
    monkeypatch: pytest.MonkeyPatch, parallel: bool
) -> None:
    monkeypatch.setattr(open_calls, "_SOON", 60.0)

    class Steps(AgentProcess):
        async def handle(self, message: Message) -> Message:
            steps = [(self.step, f"step {each}", int) for each in range(4)]
            if parallel:
                await asyncio.gather(*(step(key, fn) for step, key, fn in steps))
            else:
                for step, key, fn in steps:
                    await step(key, fn)
            return self.reply(None)

    for word, most in ("interrupt", 4), ("repeat", 4):
        store = Written()
        agent = Steps("a", delivery="durable", on_ambiguous=word)
        async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
            await runtime.ask("a", None)
        assert len(store.commits) <= most
        assert await store.keys("civitas:step:") == []


@pytest.mark.promise(id="SEM-1679")
async def test_a_call_that_raised_has_ended_and_nobody_is_asked() -> None:
    class Fails(AgentProcess):
        log: list[str] = []

        def call(self) -> str:
            self.log.append(self.idempotency_key("call"))
            if len(self.log) == 1:
                raise ConnectionError("refused")
            return "done"

        async def handle(self, message: Message) -> Message:
            return self.reply(await self.step("call", self.call))

    agent = Fails("a", delivery="durable", on_ambiguous="interrupt")
    async with Runtime(Supervisor("root", [agent], backoff="none")) as runtime:
        assert (await runtime.ask("a", None)).payload == "done"
    assert len(Fails.log) == 2
    assert len(set(Fails.log)) == 1


@pytest.mark.promise(id="SEM-1678")
@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"on_ambiguous": "ask"}, "on_ambiguous must be one of repeat, interrupt"),
        ({"on_ambiguous": "interrupt"}, "needs an agent whose messages outlive a kill"),
        (
            {"on_ambiguous": "interrupt", "delivery": "at_least_once"},
            "delivery='durable', or durable=True",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_where_the_agent_is_made(
    keywords: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        AgentProcess("a", **keywords)
