"""`BudgetStop`: a run whose budget is used up waits for a human who may raise it, and goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from civitas.budgets import Amounts, Claim, read_more
from civitas.errors import BudgetExceeded, ConfigurationError, PayloadError
from civitas.message import Message, dumps, encode, loads, new_message
from civitas.process.current import current_message
from civitas.process.resuming import read_answers
from civitas.process.suspended import ASKED_FOR_MORE
from civitas.state.patience import patiently, saved_under

if TYPE_CHECKING:
    from civitas.process.agent import AgentProcess
    from civitas.process.context import Context
    from civitas.process.run_state import RunState
    from civitas.process.steps import Steps

__all__ = ["BudgetStop"]

_TAKES = "true (as much again), {'raise': {'calls': 10}}, or false to end the run"


class BudgetStop:
    """What an agent does with ``budget_exceeded="ask"``.

    Its message is answered with a question, and what is recorded of the run stays. The `resume` that raises the budget
    lets the run go on as if its message were delivered again.

    Args:
        agent: The agent; it runs.
        node: The node it runs on.
        now: What its run is doing.
    """

    def __init__(self, agent: AgentProcess, node: Context, now: RunState) -> None:
        self._agent = agent
        self._node = node
        self._now = now
        self._kept: dict[str, Any] | None = None
        self.refused: Exception | None = None
        """What it refused the message with: an error of whoever sent it."""

    async def ask(self, message: Message, begun: Message, error: BudgetExceeded) -> Message:
        """The answer to `message` that asks whether a budget may be raised.

        Args:
            message: The message in hand.
            begun: That the run began with.
            error: Says which budget is used up.
        """
        conversation = begun.conversation or begun.id
        keeper, name = self._agent._civitas_running().step_keeper, self._agent.name
        current_message.set(begun)
        steps = keeper.steps()
        claim = next(each for each in self._spending().claims if each.key == error.key)
        question = {
            "id": f"budget:{begun.id}:{error.limit:g}",
            "value": {
                "budget_exceeded": error.budget,
                "key": error.key,
                "what": error.what,
                "limit": error.limit,
                "used": error.used,
            },
        }
        kept = {
            "message": dumps(begun),
            "owner": steps.owner,
            "answered": {},
            "claim": claim.plain(),
            "question": question,
        }
        key = self._key(conversation)
        await self._save(steps, key, kept)
        steps.kept = True
        return new_message(
            "interrupt",
            name,
            message.reply_to or message.sender or "",
            encode({"interrupts": [question]}),
            correlation_id=message.id,
            conversation=conversation,
        )

    async def begin(self, message: Message) -> Message:
        """The message that is handled: that of the run which `message` lets go on, or itself.

        Raises:
            PayloadError: It is an answer that cannot be one.
            UnknownInterrupt: It answers another question.
            BudgetExceeded: It says that the run is to end.
        """
        if message.conversation is None:
            return message
        store, name, key = self._node.store, self._agent.name, self._key(message.conversation)
        kept = await saved_under(store, key, name)
        if kept is None:
            return message
        claim = Claim.of_plain(kept["claim"])
        first = loads(kept["message"])
        keeper = self._agent._civitas_running().step_keeper
        begun = first.replaced(
            reply_to=message.reply_to,
            deadline=message.deadline,
            wants_chunks=message.wants_chunks,
            attempt=first.attempt + message.attempt + 1,
        )
        if (
            message.id == first.id
        ):  # it goes on without an answer, and drops the question when it ends
            keeper.steps().beside.append(key)
            return message
        steps = keeper.steps_of(begun, kept["owner"])
        if steps.open is not None:
            await steps.open.load()
        steps.beside.append(key)
        if message.type != "resume" or kept.get("over") not in (None, message.id):
            # As with any question: who sends something new drops it. Or the run is over, and a kill left it here.
            await self._drop(begun, steps)
            return message
        try:
            more = self._read(message, kept["question"], claim)
        except Exception as error:
            self.refused = error
            if isinstance(error, BudgetExceeded):
                await self._drop(begun, steps)
            raise
        if kept["answered"].get(message.id) is None:
            await self._node.budgets.raise_claim(claim, more)
            kept = {**kept, "answered": {message.id: kept["question"]["id"]}}
            await patiently(lambda: store.set(key, kept), name)
        self._kept = kept
        keeper.take_up(steps)
        current_message.set(begun)
        self._now.spent_all(comes_again=True)
        self._now.spends(self._node.budgets.begin(self._agent, begun))
        return begun

    async def ends(self, message: Message) -> None:
        """The run that `message` lets go on ends with it, unless it asks for more; see `Suspended.over`."""
        steps = self._now.steps  # None if it was refused: what is recorded stays then
        if self._kept is None or steps is None or steps.kept or message.conversation is None:
            return
        key, kept = self._key(message.conversation), {**self._kept, "over": message.id}
        await self._save(steps, key, kept)

    async def _save(self, steps: Steps, key: str, kept: dict[str, Any]) -> None:
        if steps.open is not None:
            await steps.open.save({key: kept})
        else:
            await patiently(lambda: self._node.store.set(key, kept), self._agent.name)

    async def _drop(self, begun: Message, steps: Steps) -> None:
        await steps.forget()
        self._node.budgets.begin(self._agent, begun).dropped()

    def _spending(self) -> Any:
        return self._agent._civitas_running().spending()

    def _key(self, conversation: str) -> str:
        return f"{ASKED_FOR_MORE}{self._agent._civitas_family}/{conversation}"

    def _read(self, message: Message, question: Any, claim: Claim) -> Amounts:
        answers = read_answers(
            self._agent.name, message.conversation, message.payload, [question], self._refuse
        )
        answer, about = answers[question["id"]], question["value"]
        if answer is True:
            return Amounts(**{about["what"]: about["limit"]})
        if answer is False:
            raise BudgetExceeded(
                self._agent.name,
                claim.what,
                about["what"],
                about["limit"],
                about["used"],
                key=claim.key,
            )
        if not isinstance(answer, dict) or set(answer) != {"raise"}:
            self._refuse("payload.value", f"the answer must be {_TAKES}; got {answer!r}")
        try:
            return read_more(claim, answer["raise"])
        except ConfigurationError as error:
            self._refuse("payload.value.raise", str(error))

    def _refuse(self, path: str, problem: str) -> NoReturn:
        raise PayloadError(path, problem, refused=True)
