"""`Remembering`: what an agent keeps of its conversations, from the start of a run to its end."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from civitas.errors import StateConflict
from civitas.frameworks.conversations import Record
from civitas.frameworks.recent import RecentRecords
from civitas.process import Delivery
from civitas.process.steps import SPENT
from civitas.state import Retention
from civitas.state.heads import claim

if TYPE_CHECKING:
    from civitas.frameworks.run import Run
    from civitas.process import Runner
    from civitas.process.options import AgentOptions
    from civitas.state import LongRecord, StateStore

__all__ = ["Remembering", "newest_turns"]

_QUIET = 86400.0
"""Seconds without use after which a conversation that other OS processes may have is shortened in the background."""

_REFUSED = (
    "conversation {!r} of agent {!r} was written elsewhere while this run was on: another process of the agent uses it "
    "at the same time. It is as that one left it, without this run. Ask again, and the run begins with that"
)


def newest_turns(
    messages: Sequence[Any], longest: int, begins: Callable[[Any], bool]
) -> Sequence[Any]:
    """The newest turns of a conversation that have up to `longest` messages together, and one turn at least.

    A turn stays whole: without its call, a model's provider refuses the result of a tool.

    Args:
        messages: The messages.
        longest: How many stay.
        begins: Whether a turn begins with a message.
    """
    if len(messages) <= longest:
        return messages
    turns = [at for at, message in enumerate(messages) if begins(message)]
    within = [at for at in turns if at >= len(messages) - longest]
    return messages[(within[:1] or turns[-1:] or [0])[0] :]


class RememberingAgent(Protocol):
    """A `FrameworkAgent`, as what keeps its conversations sees it."""

    name: str
    keeps_record: ClassVar[bool]
    _civitas_family: str
    _civitas_options: AgentOptions

    @property
    def store(self) -> StateStore:
        """Where it keeps them."""

    def memory_key(self, conversation: str) -> str:
        """The key for what is kept of `conversation`."""

    def shortened(self, history: Any, longest: int) -> Any:
        """The newest turns of `history`, with up to `longest` messages."""

    def _civitas_running(self) -> Runner: ...


class Remembering:
    """Reads and writes the conversations of an agent.

    Args:
        agent: The agent; it runs.
    """

    def __init__(self, agent: RememberingAgent) -> None:
        self._agent = agent
        node = agent._civitas_running().node
        self._recent = RecentRecords.of(node)
        self.retention: Retention = node.retention
        self._shared = node.name != "root" and agent._civitas_family != agent.name
        """Whether other OS processes may have conversations of the same name: there may be replicas."""

    @asynccontextmanager
    async def using(self, conversation: str | None) -> AsyncIterator[None]:
        """Inside the block a run uses `conversation`: nobody drops it for not being used.

        Raises:
            StateConflict: Another process wrote it meanwhile; what that one wrote stays.
        """
        if conversation is None:
            yield
            return
        key = self._agent.memory_key(conversation)
        async with self._recent.using(key):
            if (idle := self._claimed_after()) is not None:
                await claim(self._agent.store, key, unused_since=time.time() - idle)
            try:
                yield
            except StateConflict as conflict:
                if conflict.key != key:
                    raise  # of something that the run itself wrote
                text = _REFUSED.format(conversation, self._agent.name)
                raise StateConflict(key, conflict.expected, conflict.found, text=text) from conflict

    def _claimed_after(self) -> float | None:
        """The seconds without use after which a run notes that it uses its conversation; None for never."""
        after = [self.retention.keep] if self.retention.keep is not None else []
        after += [_QUIET] if self.retention.longest is not None and self._shared else []
        return min(after) / 2 if after else None

    def may_be_used_elsewhere(self, kept: LongRecord) -> bool:
        """Whether a run in another OS process may use what is kept here, which no run in this one uses."""
        return self._shared and (kept.used is None or kept.used > time.time() - _QUIET)

    async def recall(self, run: Run) -> Record | None:
        """Read what is kept of the conversation into `run`."""
        if not self._agent.keeps_record or run.conversation is None:
            return None
        key = self._agent.memory_key(run.conversation)
        record = run.record = await Record.load(self._agent.store, key, self._recent)
        run.saved = record.saved
        if not run.whole_history:
            run.history = record.history
        return record

    async def keep(self, run: Run, outcome: tuple[str, Any], saved: Any) -> None:
        """Keep what the next run of the conversation needs, all of it or nothing.

        Args:
            run: The run, which has ended well or waits for a human.
            outcome: The type and the payload of the reply.
            saved: From what an interrupted run goes on.
        """
        agent, (kind, payload), conversation = self._agent, outcome, run.conversation
        if kind == "interrupt" and conversation is None:
            conversation = run.conversation = run.message.id
        if not agent.keeps_record or conversation is None:
            return
        record = Record(run.history, kept=run.record.kept if run.record is not None else None)
        if kind == "interrupt":
            record.interrupts, record.saved = payload["interrupts"], saved
            record.begun = run.begun
        elif self.retention.longest is not None and record.history is not None:
            record.history = agent.shortened(record.history, self.retention.longest)
        if agent._civitas_options.delivery is not Delivery.AT_MOST_ONCE:
            record.message, record.outcome = run.message.id, (kind, payload, run.headers)
            paid = run.progress.usd or run.progress.unpriced
            record.spent = run.progress.spent() if paid else None
        # With its outcome the run needs nothing of what it recorded, which is in its history as well.
        steps = agent._civitas_running().now.steps if record.outcome is not None else None
        gone = steps.places([*run.made, SPENT]) if steps is not None else []
        await record.keep(agent.store, agent.memory_key(conversation), self._recent, gone=gone)
        if steps is not None:
            steps.dropped(gone)

    async def shorten(self, conversation: str, longest: int) -> None:
        """Leave the newest messages of a conversation that no run uses; one that waits for a human keeps all."""
        agent, key = self._agent, self._agent.memory_key(conversation)
        record = await Record.load(agent.store, key)
        if record.kept is None or self.may_be_used_elsewhere(record.kept):
            return
        if record.history is None or record.interrupts is not None:
            return
        left = agent.shortened(record.history, longest)
        if left != record.history:
            record.history = left
            await record.keep(agent.store, key)

    async def keep_of_failed(self, run: Run) -> None:
        """Keep `run.history`, though the run failed: what the next one has to know about it."""
        if run.conversation is None:
            return
        before = run.record or Record()
        record = Record(run.history, kept=before.kept)
        if run.answers:
            record.answered = {"questions": before.interrupts, "answers": dict(run.answers)}
        elif run.goes_on:
            record.answered = before.answered
        await record.keep(self._agent.store, self._agent.memory_key(run.conversation), self._recent)
