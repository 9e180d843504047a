"""`Suspending`: asks probes and humans about calls of whose results nothing is known, before a handler begins."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NoReturn

from civitas.errors import PayloadError
from civitas.message import Message, encode, new_message
from civitas.process.ambiguous import AmbiguousCall, Happened, call_of, happened, read_happened
from civitas.process.current import current_message
from civitas.process.resuming import read_answers
from civitas.process.suspended import Suspended, suspended_key
from civitas.process.user_code import call

if TYPE_CHECKING:
    from civitas.process.agent import AgentProcess
    from civitas.process.ambiguous import Ambiguity
    from civitas.process.context import Context
    from civitas.process.run_state import RunState
    from civitas.process.steps import Steps

__all__ = ["Suspending"]

logger = logging.getLogger("civitas")


class Suspending:
    """What an agent does about calls of whose results nothing is known.

    Its message is answered with a question for each that no probe can say anything of, and what is recorded of the run
    stays. The `resume` that answers them lets the run go on as if its message were delivered again.

    Args:
        agent: The agent; it runs.
        ambiguity: What it does.
        node: The node it runs on.
        now: What its run is doing.
    """

    def __init__(
        self, agent: AgentProcess, ambiguity: Ambiguity, node: Context, now: RunState
    ) -> None:
        self._agent = agent
        self._ambiguity = ambiguity
        self._node = node
        self._now = now
        self._kept: Suspended | None = None
        self.refused: Exception | None = None
        """What it refused the message with: an error of whoever sent it."""

    async def begin(self, message: Message) -> tuple[Message, Message | None]:
        """Get ready to handle a message.

        Returns:
            The message that is handled, and its answer if that is a question.

        Raises:
            PayloadError: It is an answer that cannot be one.
            UnknownInterrupt: It answers what nobody asked.
        """
        begun, steps = message, await self._taken_up(message)
        if steps is not None:
            begun = steps.message
        else:
            steps = self._agent._civitas_running().step_keeper.steps()
            assert steps.open is not None
            await steps.open.load()
        unsure = await self._unsure(steps, late=False)
        if not unsure:
            return begun, None
        if self._ambiguity.asks:
            return begun, await self.suspend(message, steps, unsure)
        for each in unsure:
            steps.settle(each.call, None)
        return begun, None

    async def suspend(self, message: Message, steps: Steps, unsure: list[AmbiguousCall]) -> Message:
        """The answer to `message` that asks about these calls; what is recorded of the run stays.

        Args:
            message: The message in hand.
            steps: Of the run.
            unsure: The calls.
        """
        begun = self._kept.message if self._kept is not None else steps.message
        conversation = begun.conversation or begun.id
        kept = self._kept or Suspended(self._key(conversation), begun, steps.owner)
        kept.over = ""  # an earlier delivery may have come to an end that nobody heard of
        assert steps.open is not None
        await steps.open.save({kept.key: kept.plain()})
        steps.kept = True
        return new_message(
            "interrupt",
            self._agent.name,
            message.reply_to or message.sender or "",
            encode({"interrupts": [each._question() for each in unsure]}),
            correlation_id=message.id,
            conversation=conversation,
        )

    async def suspend_late(self, message: Message) -> Message | None:
        """As `suspend`, for the calls that the handler came to; None if nobody has to be asked about them any more."""
        steps = self._agent._civitas_running().step_keeper.steps()
        unsure = await self._unsure(steps, late=True)
        if unsure and self._ambiguity.asks:
            return await self.suspend(message, steps, unsure)
        for each in unsure:
            steps.settle(each.call, None)
        return None

    async def ends(self, message: Message) -> None:
        """The run that `message` answered questions of ends with it, unless it asks more; see `Suspended.over`."""
        steps = self._now.steps  # None if it was refused: what is recorded stays then
        if self._kept is None or steps is None or steps.kept:
            return
        self._kept.over = message.id
        assert steps.open is not None
        await steps.open.save({self._kept.key: self._kept.plain()})

    def calls(self, steps: Steps, *, late: bool) -> list[AmbiguousCall]:
        """The calls that had begun: those that are asked about in the handler, or before it."""
        assert steps.open is not None
        return [
            call_of(key, note, self._agent.name, steps.message)
            for key, note in steps.open.calls.items()
            if note["late"] is late
        ]

    def _key(self, conversation: str) -> str:
        return suspended_key(self._agent._civitas_family, conversation)

    async def _unsure(self, steps: Steps, *, late: bool) -> list[AmbiguousCall]:
        """The calls of whose results nothing is known, once every probe was asked."""
        found = []
        assert steps.open is not None
        for each in self.calls(steps, late=late):
            asks = steps.open.calls[each.call]["asks"]
            if asks and await self._node.keeps_runs_of(asks, steps.message.conversation):
                steps.settle(each.call, None)  # made again, it finds the run that it began
            elif (probe := self._ambiguity.probes.get(each.name)) is None:
                found.append(each)
            else:
                try:
                    told = happened(
                        await call(self._node, probe, each), f"{each.kind} {each.name!r}"
                    )
                    steps.settle(each.call, self._recorded(each, told))
                except Exception:
                    logger.warning(
                        "agent %r: the probe of %s %r could not say what became of a call (%s); %s",
                        self._agent.name,
                        each.kind,
                        each.name,
                        each.idempotency_key,
                        "a human is asked" if self._ambiguity.asks else "it is made again",
                        exc_info=True,
                    )
                    found.append(each)
        return found

    def _recorded(self, about: AmbiguousCall, told: Happened | None) -> Happened | None:
        return told and Happened(self._ambiguity.recorded(about, told.result))

    # The answers.

    async def _taken_up(self, message: Message) -> Steps | None:
        """The steps of the suspended run that a message answers questions of; None if it answers none."""
        if message.conversation is None:
            return None
        store, name = self._node.store, self._agent.name
        kept = await Suspended.load(store, self._key(message.conversation), name)
        if kept is None or kept.message.id == message.id:
            return None
        keeper = self._agent._civitas_running().step_keeper
        begun = kept.message.replaced(
            reply_to=message.reply_to,
            deadline=message.deadline,
            wants_chunks=message.wants_chunks,
            attempt=kept.message.attempt + message.attempt + 1,
        )
        steps = keeper.steps_of(begun, kept.owner)
        assert steps.open is not None
        await steps.open.load()
        if message.type != "resume" or kept.over not in ("", message.id):
            # As with any question: who sends something new drops it. Or the run is over, and a kill left it here.
            steps.beside.append(kept.key)
            await steps.forget()
            return None
        self._kept = kept
        await self._read(message, steps, kept)
        steps.beside.append(kept.key)
        keeper.take_up(steps)
        current_message.set(begun)
        return steps

    async def _read(self, message: Message, steps: Steps, kept: Suspended) -> None:
        """Record the answers that a message gives."""
        asked = {each.idempotency_key: each for each in self.calls(steps, late=False)}
        asked |= {each.idempotency_key: each for each in self.calls(steps, late=True)}
        if message.id in kept.answered.values():
            return  # it is delivered again, and its answers are recorded
        try:
            answers = read_answers(
                self._agent.name,
                message.conversation,
                message.payload,
                [{"id": id} for id in asked],
                self._refuse,
            )
            whole = "values" in message.payload
            told = {
                id: self._told(
                    asked[id], given, f"payload.values.{id}" if whole else "payload.value"
                )
                for id, given in answers.items()
            }
        except Exception as error:
            self.refused = error
            raise
        for id, each in told.items():
            steps.settle(asked[id].call, each)
        kept.answered |= dict.fromkeys(answers, message.id)
        assert steps.open is not None
        await steps.open.save({kept.key: kept.plain()})

    def _told(self, about: AmbiguousCall, given: Any, path: str) -> Happened | None:
        try:
            return self._recorded(about, read_happened(given, path, self._refuse))
        except ValueError as error:
            self._refuse(f"{path}.result", str(error))

    def _refuse(self, path: str, problem: str) -> NoReturn:
        raise PayloadError(path, problem, refused=True)
