"""`AdapterSuite`: proves that an adapter keeps its promises."""

# ruff: noqa: D102  (the name of a test is its sentence)

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, cast

import pytest

from civitas.errors import HandlerFailed, UnknownInterrupt
from civitas.frameworks import wrap
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.testing.adapter_model import HANG, Overloaded, Rejected, SuiteModel, ToolCall
from civitas.testing.adapter_time import TimeTests

__all__ = ["AdapterSuite"]

_AT_ONCE = 50


class AdapterSuite(TimeTests):
    """The tests that every adapter passes, against its real framework.

    Subclass it in a test module, define five methods, and run pytest::

        class TestMyAdapter(AdapterSuite):
            def subject(self, model, *, calls=1, approval=False, tools=()):
                return ...                      # the framework's object, or a function that builds it

            def payload(self, text):
                return {"input": text}

            def text(self, payload):
                return payload["output"]

            def tool(self, name):
                return agent_tool(name, description="helps")

            def agent(self, name, subject, **keywords):
                return MyAgent(name, graph=subject, **keywords)

    The tests are async and run under pytest-asyncio, in either of its modes.

    Attributes:
        approves: What a human answers to go on.
        blocking: The framework calls its models in threads, where a call cannot be ended from outside.
        tells_calls: The next message of a conversation is told about the tool calls that a failed run made.
    """

    pytestmark = pytest.mark.asyncio

    # Runs.

    async def test_the_answer_of_the_model_is_in_the_reply(self, run: Any, model: Any) -> None:
        agent = self.agent("a", self.subject(model("forty-two")))
        async with run(agent) as runtime:
            reply = await runtime.ask("a", self.payload("how many?"))
        assert (reply.type, reply.sender) == ("reply", "a")
        assert self.text(reply.payload) == "forty-two"

    async def test_wrap_makes_the_same_kind_of_agent(self, model: Any) -> None:
        subject = self.subject(model("x"))
        assert type(wrap(subject, name="a")) is type(self.agent("a", subject))

    async def test_the_given_object_is_never_changed(self, run: Any, model: Any) -> None:
        subject = self.subject(model("x"))
        before = {key: (id(value), repr(value)) for key, value in vars(subject).items()}
        async with run(self.agent("a", subject)) as runtime:
            await runtime.ask("a", self.payload("hi"), conversation="c")
            await self._chunks(runtime, "hi")
        assert {key: (id(value), repr(value)) for key, value in vars(subject).items()} == before

    # Conversations.

    async def test_a_conversation_is_remembered(self, run: Any, model: Any) -> None:
        llm = model("first answer", "second answer")
        async with run(self.agent("a", self.subject(llm))) as runtime:
            await runtime.ask("a", self.payload("first question"), conversation="c")
            await runtime.ask("a", self.payload("second question"), conversation="c")
        assert "first answer" in " ".join(llm.seen[-1])

    async def test_another_conversation_knows_nothing_of_it(self, run: Any, model: Any) -> None:
        llm = model("first answer", "second answer")
        async with run(self.agent("a", self.subject(llm))) as runtime:
            await runtime.ask("a", self.payload("first question"), conversation="c")
            await runtime.ask("a", self.payload("second question"), conversation="d")
            await runtime.ask("a", self.payload("third question"))
        assert "first" not in " ".join([*llm.seen[-1], *llm.seen[-2]])

    async def test_without_a_conversation_there_is_no_memory(self, run: Any, model: Any) -> None:
        llm = model("first answer", "second answer")
        async with run(self.agent("a", self.subject(llm))) as runtime:
            await runtime.ask("a", self.payload("first question"))
            await runtime.ask("a", self.payload("second question"))
        assert "first" not in " ".join(llm.seen[-1])

    async def test_a_conversation_survives_the_end_of_its_process(
        self, run: Any, model: Any, tmp_path: Path
    ) -> None:
        llm = model("first answer", "second answer")
        for text in ("first question", "second question"):
            async with run(self.agent("a", self.subject(llm)), folder=tmp_path) as runtime:
                await runtime.ask("a", self.payload(text), conversation="c")
        assert "first answer" in " ".join(llm.seen[-1])

    async def test_a_durable_run_that_is_given_up_leaves_its_conversation_as_it_was(
        self, run: Any, model: Any
    ) -> None:
        kills = [MemoryError("no more")] * 3
        rejected = () if self.tells_calls else ("early", Rejected("no"))
        given_up = ("early", HANG, "early", HANG, *rejected, "early", *kills)
        llm = model("one", "two", *given_up, "three", "four")
        agent = self.agent("a", self.subject(llm, calls=2), durable=True)

        async def ask(text: str) -> None:
            await runtime.ask("a", self.payload(text), conversation="c")

        async def reader() -> None:
            chunks = runtime.stream("a", self.payload("never"), conversation="c")
            async with contextlib.aclosing(chunks) as stream:
                async for _ in stream:
                    if llm.began.is_set():
                        return

        async with run(agent) as runtime:
            await ask("first")
            for leaves in (ask("never"), reader()):
                llm.began.clear()
                leaving = asyncio.create_task(leaves)
                await asyncio.to_thread(llm.began.wait, 10)
                leaving.cancel()
                await asyncio.wait([leaving])
            for _ in range(1 if self.tells_calls else 2):
                with pytest.raises(HandlerFailed):
                    await ask("never")
            llm.seen.clear()
            await ask("second")
        seen = " ".join(llm.seen[0])
        assert "two" in seen
        assert "early" not in seen
        assert "never" not in seen

    async def test_many_conversations_run_at_once_and_are_not_mixed_up(
        self, run: Any, model: Any
    ) -> None:
        def greet(texts: list[str]) -> str:
            names = [word for text in texts for word in text.split() if word.startswith("user-")]
            return f"hello {names[-1]}"

        pool = wrap(self.subject(model(greet)), name="a", per_conversation=True)
        names = [f"user-{n}" for n in range(_AT_ONCE)]
        async with run(pool) as runtime:
            replies = await asyncio.gather(
                *(runtime.ask("a", self.payload(f"I am {n}"), conversation=n) for n in names)
            )
        assert [self.text(each.payload) for each in replies] == [f"hello {n}" for n in names]

    # Streams.

    async def test_a_stream_tells_steps_and_tokens_and_the_reply_last(
        self, run: Any, model: Any
    ) -> None:
        async with run(self.agent("a", self.subject(model("one two three")))) as runtime:
            chunks = await self._chunks(runtime, "count")
        kinds = [each.type for each in chunks]
        assert kinds[0] == "step"
        assert isinstance(chunks[0].payload["name"], str)
        assert kinds[-1] == "reply"
        assert self.text(chunks[-1].payload) == "one two three"
        tokens = [each.payload["text"] for each in chunks if each.type == "token"]
        assert "".join(tokens) == "one two three"
        assert all(tokens)
        assert set(kinds) <= {"step", "token", "tool", "reply"}

    async def test_a_reader_that_leaves_ends_the_run(self, run: Any, model: Any) -> None:
        llm = model(HANG, "after")
        async with run(self.agent("a", self.subject(llm))) as runtime:
            async with contextlib.aclosing(runtime.stream("a", self.payload("x"))) as stream:
                await anext(stream)
                await asyncio.to_thread(llm.began.wait, 10)
            reply = await runtime.ask("a", self.payload("y"), timeout=10)
        assert self.text(reply.payload) == "after"

    # Humans.

    async def test_a_human_is_asked_and_the_answer_goes_on_with_the_run(
        self, run: Any, model: Any
    ) -> None:
        agent = self.agent("a", self.subject(self._asking(model), approval=True))
        async with run(agent) as runtime:
            asked = await runtime.ask("a", self.payload("do it"))
            (question,) = asked.payload["interrupts"]
            assert (asked.type, set(question)) == ("interrupt", {"id", "value"})
            assert asked.conversation
            answer = {"value": self.approves}
            reply = await runtime.ask("a", answer, "resume", conversation=asked.conversation)
            assert reply.type == "reply"
            assert self.text(reply.payload)

    async def test_the_answer_may_come_after_a_restart_by_the_questions_id(
        self, run: Any, model: Any, tmp_path: Path
    ) -> None:
        llm = self._asking(model)
        agent = self.agent("a", self.subject(llm, approval=True))
        async with run(agent, folder=tmp_path) as runtime:
            asked = await runtime.ask("a", self.payload("do it"), conversation="c")
        answer = {"id": asked.payload["interrupts"][0]["id"], "value": self.approves}
        agent = self.agent("a", self.subject(llm, approval=True))
        async with run(agent, folder=tmp_path) as runtime:
            reply = await runtime.ask("a", answer, "resume", conversation="c")
        assert reply.type == "reply"

    async def test_the_result_of_a_durable_run_is_what_the_answer_to_its_question_came_to(
        self, run: Any, model: Any, tmp_path: Path
    ) -> None:
        llm = self._asking(model)

        def agent() -> AgentProcess:
            return self.agent("a", self.subject(llm, approval=True), durable=True)

        async with run(agent(), folder=tmp_path) as runtime:
            asked = await runtime.ask("a", self.payload("do it"), conversation="c", run="r")
            assert (await runtime.result("r")).payload == asked.payload
        async with run(agent(), folder=tmp_path) as runtime:
            waiting = asyncio.create_task(runtime.result("r", final=True))
            await runtime.send("a", {"value": self.approves}, "resume", conversation="c")
            reply = await waiting
        assert (reply.type, reply.run) == ("reply", "r")
        assert self.text(reply.payload)

    async def test_an_answer_that_nobody_waits_for_is_an_error_and_the_agent_lives(
        self, run: Any, model: Any
    ) -> None:
        agent = self.agent("a", self.subject(self._asking(model), approval=True))
        async with run(agent) as runtime:
            answer = {"value": self.approves}
            with pytest.raises(UnknownInterrupt):
                await runtime.ask("a", answer, "resume", conversation="c")
            await runtime.ask("a", self.payload("do it"), conversation="c")
            with pytest.raises(UnknownInterrupt):
                await runtime.ask("a", {**answer, "id": "nobody"}, "resume", conversation="c")
            await runtime.ask("a", answer, "resume", conversation="c")
            with pytest.raises(UnknownInterrupt):
                await runtime.ask("a", answer, "resume", conversation="c")
            assert self._restarts(runtime) == 0

    def _asking(self, model: Any) -> SuiteModel:
        return cast(SuiteModel, model("draft", "done"))

    # Failures.

    async def test_a_failure_is_told_to_the_asker_by_its_name_and_the_agent_lives(
        self, run: Any, model: Any
    ) -> None:
        agent = self.agent("a", self.subject(model(RuntimeError("broken"), "recovered")))
        async with run(agent) as runtime:
            with pytest.raises(HandlerFailed) as failed:
                await runtime.ask("a", self.payload("x"))
            assert failed.value.error_type == "RuntimeError"
            reply = await runtime.ask("a", self.payload("x"))
            assert self.text(reply.payload) == "recovered"
            assert self._restarts(runtime) == 0

    @pytest.mark.parametrize("durable", [False, True])
    async def test_requests_that_the_provider_rejects_are_told_at_once_and_cost_no_restart(
        self, run: Any, model: Any, durable: bool
    ) -> None:
        llm = model(*[Rejected("too long")] * 4, "fine")
        async with run(self.agent("a", self.subject(llm), durable=durable)) as runtime:
            for _ in range(4):
                with pytest.raises(HandlerFailed) as failed:
                    await runtime.ask("a", self.payload("x"), conversation="c")
                assert failed.value.error_type == "Rejected"
            reply = await runtime.ask("a", self.payload("x"), conversation="c")
            assert self.text(reply.payload) == "fine"
            assert self._restarts(runtime) == 0
        assert len(llm.seen) == 5

    async def test_what_says_that_the_process_is_unsound_crashes_the_agent(
        self, run: Any, model: Any
    ) -> None:
        agent = self.agent(
            "a", self.subject(model(MemoryError("no more"), "recovered")), durable=True
        )
        async with run(agent) as runtime:
            reply = await runtime.ask("a", self.payload("x"))
            assert self.text(reply.payload) == "recovered"
            assert self._restarts(runtime) == 1

    @pytest.mark.parametrize("pool", [False, True])
    async def test_durable_runs_that_crash_at_each_delivery_end_alone(
        self, run: Any, model: Any, pool: bool
    ) -> None:
        llm = model(*[MemoryError("no more")] * 8, "fine")
        keywords: Any = {"durable": True, "max_deliveries": 2, "per_conversation": pool}
        async with run(wrap(self.subject(llm), name="a", **keywords), _Helper("helper")) as runtime:
            for _ in range(4):
                with pytest.raises(HandlerFailed):
                    await runtime.ask("a", self.payload("x"), conversation="c")
                helped = await runtime.ask("helper", {"input": "y"})
                assert helped.payload == "helped with y"
            reply = await runtime.ask("a", self.payload("x"), conversation="c")
            assert self.text(reply.payload) == "fine"
            assert runtime.tree()["children"][1]["restarts"] == 0

    async def test_a_durable_run_goes_on_after_a_failure_and_repeats_no_finished_call(
        self, run: Any, model: Any
    ) -> None:
        llm = model("first", RuntimeError("broken"), "second")
        agent = self.agent("a", self.subject(llm, calls=2), durable=True)
        async with run(agent) as runtime:
            reply = await runtime.ask("a", self.payload("x"))
            assert self._restarts(runtime) == 0
        assert self.text(reply.payload) == "second"
        assert len(llm.seen) == 3

    async def test_the_stream_of_a_durable_run_repeats_no_chunk(self, run: Any, model: Any) -> None:
        llm = model("first", RuntimeError("broken"), "second")
        agent = self.agent("a", self.subject(llm, calls=2), durable=True)
        async with run(agent) as runtime:
            chunks = await self._chunks(runtime, "x")
        told = "".join(each.payload["text"] for each in chunks if each.type == "token")
        assert (told.count("first"), told.count("second")) == (1, 1)
        assert chunks[-1].type == "reply"

    async def test_a_provider_that_asks_to_wait_is_told_to_the_asker_and_the_agent_lives(
        self, run: Any, model: Any
    ) -> None:
        async with run(self.agent("a", self.subject(model(Overloaded("later"))))) as runtime:
            with pytest.raises(HandlerFailed) as failed:
                await runtime.ask("a", self.payload("x"))
            assert failed.value.error_type == "Overloaded"
            assert self._restarts(runtime) == 0

    async def test_a_provider_that_asks_to_wait_is_asked_again_in_a_durable_run(
        self, run: Any, model: Any
    ) -> None:
        agent = self.agent("a", self.subject(model(Overloaded("later"), "now")), durable=True)
        async with run(agent) as runtime:
            reply = await runtime.ask("a", self.payload("x"))
            assert self.text(reply.payload) == "now"
            assert self._restarts(runtime) == 0

    async def test_transient_names_other_failures_to_try_again(self, run: Any, model: Any) -> None:
        subject = self.subject(model(OSError("flaky"), "now"))
        agent = self.agent("a", subject, transient=lambda error: isinstance(error, OSError))
        async with run(agent) as runtime:
            reply = await runtime.ask("a", self.payload("x"))
            assert self.text(reply.payload) == "now"
            assert self._restarts(runtime) == 0

    # Other agents.

    async def test_the_model_calls_another_agent_as_a_tool(self, run: Any, model: Any) -> None:
        llm = model(ToolCall("helper", {"input": "what?"}), "it said so")
        agent = self.agent("a", self.subject(llm, tools=[self.tool("helper")]))
        async with run(agent, _Helper("helper")) as runtime:
            reply = await runtime.ask("a", self.payload("ask the helper"))
        assert self.text(reply.payload) == "it said so"
        assert "helped with what?" in " ".join(llm.seen[-1])

    async def test_a_stream_tells_the_call_of_a_tool_and_its_result(
        self, run: Any, model: Any
    ) -> None:
        llm = model(ToolCall("helper", {"input": "what?"}), "it said so")
        agent = self.agent("a", self.subject(llm, tools=[self.tool("helper")]))
        async with run(agent, _Helper("helper")) as runtime:
            chunks = await self._chunks(runtime, "ask the helper")
        told = [each.payload for each in chunks if each.type == "tool"]
        begun = {"name": "helper", "arguments": {"input": "what?"}}
        assert told[0] == begun
        assert {key: told[1][key] for key in begun} == begun
        assert "helped with what?" in str(told[1]["result"])

    async def test_a_called_agent_that_fails_is_a_text_for_the_model(
        self, run: Any, model: Any
    ) -> None:
        llm = model(ToolCall("helper", {"input": "fail"}), "it failed")
        agent = self.agent("a", self.subject(llm, tools=[self.tool("helper")]))
        async with run(agent, _Helper("helper")) as runtime:
            reply = await runtime.ask("a", self.payload("ask the helper"))
            assert self._restarts(runtime) == 0
        assert self.text(reply.payload) == "it failed"
        assert "KeyError" in " ".join(llm.seen[-1])


class _Helper(AgentProcess):
    async def handle(self, message: Message) -> Message:
        text = message.payload["input"]
        if text == "fail":
            raise KeyError("broken")
        return self.reply(f"helped with {text}")
