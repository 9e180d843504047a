"""What one run of an agent is doing, and what it was told; its parts share it."""

from __future__ import annotations

import asyncio

from civitas.budgets import Spending, Tells
from civitas.message import Message
from civitas.process.exit_reason import KILLED, ExitReason
from civitas.process.own_timers import OwnTimers
from civitas.process.progress import Progress
from civitas.process.steps import Steps

__all__ = ["RunState"]


class RunState:
    """What one run of an agent is doing, and the signals that it got: those overtake the mailbox."""

    __slots__ = (
        "abandoned",
        "current",
        "end",
        "killed",
        "over",
        "progress",
        "serving",
        "since",
        "spending",
        "spends_for",
        "spent",
        "steps",
        "timers",
    )

    def __init__(self) -> None:
        self.current: Message | None = None
        """The message in hand."""
        self.since = 0.0
        """Unix seconds when that was taken."""
        self.spent = 0
        """Tokens that the models used for the messages before."""
        self.spending: Spending | None = None
        """What its handling spends, once that may be anything."""
        self.spends_for: str | None = None
        """Id of the message that this is of; None in `on_start`, and for what a task spends between messages."""
        self.steps: Steps | None = None
        """The recorded steps of that message, if there are any."""
        self.progress: Progress | None = None
        """How far a message has come, the one in hand or an earlier one; None as long as nobody has noted that."""
        self.serving = False
        """Whether it is between `on_start` and `on_stop`."""
        self.end: ExitReason | None = None
        """How it is to end, once that is decided."""
        self.killed = False
        self.abandoned = False
        """Whether its handler was cancelled because nobody waits for the answer; the process lives on."""
        self.over = False
        """Whether nothing that it does counts any more."""
        self.timers = OwnTimers()

    def in_hand(self, message: Message) -> Message:
        """The message that is in hand while `message` is handled: another if that takes up the run of this one."""
        steps, current = self.steps, self.current
        return (
            current
            if steps is not None and current is not None and steps.message is message
            else message
        )

    def progress_of(self, message: Message) -> Progress:
        """How far `message` has come, from now on."""
        message = self.in_hand(message)
        if self.progress is None or self.progress.message_id != message.id:
            self.follow(Progress(message.id))
        assert self.progress is not None
        return self.progress

    def follow(self, progress: Progress) -> None:
        """How far a message has come is written there from now on."""
        earlier = self.progress
        if self.steps is not None and self.steps.message.id == progress.message_id:
            progress.message_id = self.in_hand(self.steps.message).id
        if earlier is not None and earlier.message_id == progress.message_id:
            progress.takes_over(earlier)
        elif earlier is not None:
            self.spent += earlier.usage[3]
        self.progress = progress

    def pays(self, message: Message | None) -> Tells | None:
        """Where it is told what the models cost that are called for `message`; None for what is called for none."""
        if message is None:
            return None
        begun = self.progress_of(message)

        def paid(read: int, written: int, usd: float | None) -> None:
            now = self.progress  # another one if the message is tried again
            if now is None or now.message_id != begun.message_id:
                now = begun
            now.paid(read, written, usd)

        return paid

    @property
    def tokens(self) -> int:
        """What the models have used so far, for all messages."""
        return self.spent + (self.progress.usage[3] if self.progress is not None else 0)

    def spends(self, spending: Spending) -> Spending:
        """That is what the message in hand spends from now on."""
        self.spending, self.spends_for = spending, self._id_in_hand
        return spending

    @property
    def spending_now(self) -> Spending | None:
        """What the message in hand spends; None if nothing yet."""
        if self.spending is not None and self.spends_for != self._id_in_hand:
            self.spent_all(comes_again=False)
        return self.spending

    @property
    def _id_in_hand(self) -> str | None:
        return self.current.id if self.current is not None else None

    def spent_all(self, *, comes_again: bool) -> None:
        """Nothing more is spent for the message in hand, unless it comes again."""
        spending, self.spending = self.spending, None
        if spending is not None:
            spending.end(comes_again=comes_again)

    def kill(self, task: asyncio.Task[ExitReason]) -> None:
        """Cancel it, whatever it does. `task` is the one that runs it."""
        self.killed = True
        self.end = KILLED
        task.cancel()

    def abandon(self, message: Message, task: asyncio.Task[ExitReason]) -> None:
        """Cancel the handler of `message`, as nobody waits for it any more."""
        current = self.current
        if current is not None and current.id == message.id and not self.abandoned:
            self.abandoned = True
            task.cancel()

    def live_on(self) -> None:
        """The cancellation that `abandon` made was for the handler, and it is over."""
        self.abandoned = False
        task = asyncio.current_task()
        if task is not None and not self.killed:
            task.uncancel()

    def explained(self, error: BaseException) -> BaseException:
        """`error`, or what to say instead of a cancellation that neither a kill nor a leaving asker made."""
        if not isinstance(error, asyncio.CancelledError) or self.killed or self.abandoned:
            return error
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            return error
        while task.uncancel():  # it is the failure of this message alone; `on_stop` may wait
            pass
        told = asyncio.CancelledError(
            "the task that runs the agent was cancelled, as by asyncio.current_task().cancel() in its handler; "
            "raise an error to fail, or call self.stop() to end"
        )
        return told.with_traceback(error.__traceback__)
