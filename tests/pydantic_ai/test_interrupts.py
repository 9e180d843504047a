"""Runs that wait for a human: approvals, questions, and tools that are carried out elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai import ApprovalRequired, CallDeferred, DeferredToolRequests, RunContext, Tool
from pydantic_ai.capabilities import AbstractCapability, HandleDeferredToolCalls
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ToolReturnPart
from pydantic_ai.toolsets import ExternalToolset

from civitas import Message, Runtime, wrap
from civitas.errors import HandlerFailed, UnknownInterrupt
from tests.core.frameworks.support import running
from tests.pydantic_ai.support import Says, call, last_turn

BOTH = [call("refund", "c1", number="1"), call("refund", "c2", number="2")]


class Desk:
    """An agent that pays back, if it may.

    Attributes:
        paid: What was paid back.
    """

    def __init__(self, *first: Any, **keywords: Any) -> None:
        self.paid: list[str] = []
        self.looked: list[str] = []
        self.says = Says(lambda messages: list(first) if len(last_turn(messages)) == 1 else "done")
        own = Tool(self.refund, requires_approval=True)
        self.agent = self.says.agent(tools=[own, self.look], **keywords)

    def refund(self, number: str) -> str:
        """Pay back."""
        self.paid.append(number)
        return f"{number} is paid back"

    def look(self) -> str:
        """Look."""
        self.looked.append("looked")
        return "found"

    def results(self) -> dict[str, tuple[Any, str]]:
        """What the model read of its calls in the end."""
        return {
            part.tool_call_id: (part.content, part.outcome)
            for message in self.says.asked[-1]
            for part in message.parts
            if isinstance(part, ToolReturnPart)
        }


async def resumed(runtime: Runtime, asked: Message, payload: Any) -> Message:
    return await runtime.ask("a", payload, "resume", conversation=asked.conversation)


@pytest.mark.promise(id="SEM-1864")
@pytest.mark.parametrize("durable", [False, True])
async def test_several_approvals_are_answered_one_by_one_or_at_once(durable: bool) -> None:
    for answers in (
        [{"id": "c1", "value": True}, {"value": {"approve": False, "message": "no receipt"}}],
        [{"values": {"c1": True, "c2": {"approve": False, "message": "no receipt"}}}],
    ):
        desk = Desk(*BOTH, call("look", "c3"))
        async with running(wrap(desk.agent, name="a", durable=durable)) as runtime:
            reply = await runtime.ask("a", {"input": "pay"})
            questions = reply.payload["interrupts"]
            assert questions == [
                {"id": id, "value": {"name": "refund", "arguments": {"number": number}}}
                for id, number in (("c1", "1"), ("c2", "2"))
            ]
            for answer in answers:
                assert reply.type == "interrupt"
                reply = await resumed(runtime, reply, answer)
        assert (reply.type, reply.payload) == ("reply", {"output": "done"})
        assert (desk.paid, desk.looked) == (["1"], ["looked"])
        assert desk.results() == {
            "c1": ("1 is paid back", "success"),
            "c2": ("no receipt", "denied"),
            "c3": ("found", "success"),
        }


@pytest.mark.promise(id="SEM-1864")
async def test_an_approval_may_change_the_arguments() -> None:
    desk = Desk(BOTH[0])
    async with running(wrap(desk.agent, name="a")) as runtime:
        asked = await runtime.ask("a", {"input": "pay"})
        answer = {"approve": True, "arguments": {"number": "7"}}
        await resumed(runtime, asked, {"value": answer})
    assert desk.paid == ["7"]


@pytest.mark.promise(id="SEM-1864")
@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("yes", "an approval is True or False"),
        ({"approve": "yes"}, "an approval is"),
        ({"approve": True, "mesage": "x"}, r"payload\.value\.mesage: there is no such key"),
        ({"approve": False, "message": 3}, r"payload\.value\.message: text is needed"),
        ({"approve": False, "arguments": {}}, r"payload\.value\.arguments: a dict is needed"),
    ],
)
async def test_an_answer_that_is_none_is_refused_and_the_question_stays_open(
    answer: Any, problem: str
) -> None:
    desk = Desk(BOTH[0])
    async with running(wrap(desk.agent, name="a")) as runtime:
        asked = await runtime.ask("a", {"input": "pay"})
        with pytest.raises(HandlerFailed, match=problem):
            await resumed(runtime, asked, {"value": answer})
        assert (await resumed(runtime, asked, {"value": True})).payload == {"output": "done"}
        with pytest.raises(UnknownInterrupt):
            await resumed(runtime, asked, {"value": True})
    assert desk.paid == ["1"]


@pytest.mark.promise(id="SEM-1864")
async def test_a_new_message_in_place_of_an_answer_tells_the_model_that_nothing_was_done() -> None:
    desk = Desk(BOTH[0], call("look", "c3"))
    async with running(wrap(desk.agent, name="a")) as runtime:
        await runtime.ask("a", {"input": "pay"}, conversation="c")
        desk.says._script = lambda messages: "well"
        await runtime.ask("a", {"input": "never mind"}, conversation="c")
        with pytest.raises(UnknownInterrupt):
            await runtime.ask("a", {"value": True}, "resume", conversation="c")
    results = desk.results()
    assert results["c3"] == ("found", "success")
    assert "nobody has answered" in results["c1"][0]
    assert results["c1"][1] == "interrupted"
    assert desk.paid == []


@pytest.mark.promise(id="SEM-1864")
async def test_a_tool_that_asks_when_it_is_called_is_called_again_when_it_may() -> None:
    seen: list[bool] = []

    def charge(ctx: RunContext[Any], amount: int) -> str:
        """Charge."""
        seen.append(ctx.tool_call_approved)
        if amount > 10 and not ctx.tool_call_approved:
            raise ApprovalRequired(metadata={"why": "much"})
        return f"charged {amount}"

    says = Says([[call("charge", "c1", amount=5), call("charge", "c2", amount=50)], "done"])
    async with running(wrap(says.agent(tools=[charge]), name="a", durable=True)) as runtime:
        asked = await runtime.ask("a", {"input": "hi"})
        (question,) = asked.payload["interrupts"]
        assert question["value"]["metadata"] == {"why": "much"}
        assert (await resumed(runtime, asked, {"value": True})).payload == {"output": "done"}
    assert seen == [False, False, True]


@pytest.mark.promise(id="SEM-1864")
async def test_a_call_that_is_made_elsewhere_gets_its_result_as_the_answer() -> None:
    def ask(question: str) -> str:
        """Ask the user."""
        raise CallDeferred(kind="question")

    outside = Tool(lambda number: number, name="outside").tool_def
    first = [call("ask", "c1", question="Which?"), call("outside", "c2", number=1)]
    says = Says([first, "done"])
    agent = says.agent(tools=[ask], toolsets=[ExternalToolset([outside])])
    async with running(wrap(agent, name="a")) as runtime:
        asked = await runtime.ask("a", {"input": "hi"})
        kinds = {each["id"]: each["value"]["kind"] for each in asked.payload["interrupts"]}
        assert kinds == {"c1": "question", "c2": "external"}
        file = {"kind": "image-url", "url": "http://127.0.0.1/x", "force_download": "allow-local"}
        with pytest.raises(HandlerFailed, match=r"payload\.value\.force_download: it must not"):
            await resumed(runtime, asked, {"values": {"c1": "x", "c2": file}})
        answers = {"values": {"c1": "The first.", "c2": {"n": 3}}}
        assert (await resumed(runtime, asked, answers)).payload == {"output": "done"}
    assert {"The first.", '{"n":3}'} <= set(says.texts[-1])


@pytest.mark.promise(id="SEM-1864")
async def test_an_agent_that_validates_its_output_asks_if_its_own_type_says_so() -> None:
    for outputs, works in (([str, DeferredToolRequests], True), (str, False)):
        desk = Desk(BOTH[0], output_type=outputs)

        @desk.agent.output_validator
        def check(output: Any) -> Any:
            return output

        async with running(wrap(desk.agent, name="a")) as runtime:
            if works:
                asked = await runtime.ask("a", {"input": "pay"})
                assert (await resumed(runtime, asked, {"value": True})).payload["output"] == "done"
            else:
                with pytest.raises(HandlerFailed, match="add `DeferredToolRequests` to the list"):
                    await runtime.ask("a", {"input": "pay"})
                desk.says._script = lambda messages: "works"
                assert (await runtime.ask("a", {"input": "hi"})).payload == {"output": "works"}


async def test_a_handler_of_the_users_own_answers_before_anybody_is_asked() -> None:
    def approve(ctx: Any, requests: DeferredToolRequests) -> Any:
        return requests.build_results(approve_all=True)

    desk = Desk(BOTH[0], capabilities=[HandleDeferredToolCalls(approve)])
    async with running(wrap(desk.agent, name="a")) as runtime:
        assert (await runtime.ask("a", {"input": "pay"})).payload == {"output": "done"}
    assert desk.paid == ["1"]


class Closed(AbstractCapability[Any]):
    """Refuses the first run, however it is begun."""

    def __init__(self) -> None:
        self.run_id = ""

    async def wrap_run(self, ctx: RunContext[Any], *, handler: Any) -> Any:
        self.run_id = self.run_id or ctx.run_id or ""
        if ctx.run_id == self.run_id:
            raise UserError("closed")
        return await handler()


@pytest.mark.promise(id="SEM-1864")
async def test_a_run_that_is_refused_before_it_begins_ends_no_later_question_to_a_human() -> None:
    desk = Desk(BOTH[0], capabilities=[Closed()])
    async with running(wrap(desk.agent, name="a")) as runtime:
        with pytest.raises(HandlerFailed, match="closed"):
            await runtime.ask("a", {"input": "pay"})
        assert (await runtime.ask("a", {"input": "pay"})).type == "interrupt"
