"""One attempt at a message: what it runs on, and what the next message is told about it if it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents import ItemHelpers

from civitas_openai._memory import Memory, untold
from civitas_openai._once import Scope
from civitas_openai._session import Buffered, Conversation
from civitas_openai._stream import Told

if TYPE_CHECKING:
    from agents import RunResult
    from agents.memory import Session

    from civitas.frameworks import Run
    from civitas.frameworks.kept_context import KeptContext

__all__ = ["Attempt"]


class Attempt:
    """A run, its session and what is kept of its conversation.

    Args:
        run: The run.
        context: What the SDK hands to the tools.
        own: The user's own session; None if the conversation is kept here.
    """

    def __init__(
        self, run: Run, memory: Memory, context: KeptContext | None, own: Session | None
    ) -> None:
        self.run = run
        self.memory = memory
        self.context = context
        self.scope = Scope(run, context=context)
        self.scope.told = self.told = Told(run, self.scope.calls)
        self.session = self._session(own)
        self.input: list[Any] = []
        """What the run began with; nothing for one that goes on."""
        self.kept = memory
        """What is kept of the conversation when the run is over."""

    def _session(self, own: Session | None) -> Any:
        """What the SDK reads the conversation from, and adds to."""
        run = self.run
        if own is not None:
            return Buffered(own) if run.durable else own
        if run.conversation is None or (run.answers and not run.saved["session"]):
            return None
        return Conversation(run.conversation, self.memory.items)

    async def begin(self, begin: Any) -> None:
        """A new run begins with this input; a question that was open is dropped."""
        self.input = ItemHelpers.input_to_new_input_list(begin)
        left, self.memory.left = self.memory.left, []
        if left and self.session is not None:
            await self.session.add_items(left)
        if not self.owned:
            self.memory.items = [*self.memory.items, *left]

    async def end(self, result: RunResult) -> None:
        """The run ended well, or waits for a human: keep what the next message needs, and report what it used."""
        used = result.context_wrapper.usage
        self.run.used(used.requests, used.input_tokens, used.output_tokens, used.total_tokens)
        self.run.failures(self.scope.failures)
        items: list[Any] = []
        left: list[Any] = []
        if isinstance(self.session, Conversation):
            items = self.session.items
        elif self.session is None and (result.interruptions or self.run.answers is not None):
            # It began without a conversation, and has one since it asked.
            items = result.to_input_list()
        elif isinstance(self.session, Buffered):
            await self.run.once("session", self.session.flush)
        if result.interruptions:
            seen = items if not self.owned else await self.session.get_items()
            left = untold(self.scope.calls, [*seen, *self.memory.left])
            left = [*self.memory.left, *left]
        self._keep(Memory(items, self._agent(), self._state(), left))

    async def failed(self, error: Exception) -> bool:
        """The run failed for good: tell its reader, and the next message about the calls that were made.

        Returns:
            Whether there were any, so that there is something to keep.
        """
        await self.told.failed(error)
        if not self.scope.calls.made:
            return False
        before = len(self.memory.items)
        if self.owned:
            items = await self.session.get_items()
            more = untold(self.scope.calls, [*items, *self.memory.left])
            await self.session.add_items([*self.memory.left, *more])
            if isinstance(self.session, Buffered):
                await self.session.flush()
            items = []
        else:
            items = list(self.memory.items)
            if self.session is not None and len(self.session.items) > before:
                items = self.session.items
            elif self.input:
                items += self.input
            known = {each.get("call_id") for each in items if _is_output(each)}
            items += [each for each in self.memory.left if each.get("call_id") not in known]
            items += untold(self.scope.calls, items)
        failed = (self.run.message.id, before)
        self._keep(Memory(items, self._agent(), self._state(), failed=failed))
        return True

    @property
    def owned(self) -> bool:
        """Whether the session is the user's."""
        return self.session is not None and not isinstance(self.session, Conversation)

    def _agent(self) -> str | None:
        return self.told.agent or self.memory.agent

    def _state(self) -> dict[str, Any] | None:
        return None if self.context is None else self.context.state()

    def _keep(self, memory: Memory) -> None:
        self.kept = memory
        self.run.history = memory.dump() or None


def _is_output(item: Any) -> bool:
    return str(item.get("type", "")).endswith("_output")
