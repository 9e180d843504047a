"""`ChangedCode`: what becomes of a durable run when its agent runs other code than the run began with."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from civitas.errors import CivitasError, RunChanged
from civitas.frameworks.shapes import Difference, Part, differences, in_words, read_parts
from civitas.process.on_change import OnChange
from civitas.telemetry.readable import escaped

if TYPE_CHECKING:
    from civitas.frameworks.run import Run
    from civitas.process import Runner

__all__ = ["SHAPE", "ChangedCode", "decided"]

logger = logging.getLogger("civitas")

SHAPE = "civitas:shape"
"""The key among the steps of a run under which the parts are that it began with."""


_THEN = {
    OnChange.REFUSE: "it is kept as it is, and is not gone on with",
    OnChange.GO_ON: "it goes on from its last step",
    OnChange.RESTART: "it starts over",
}
_KEPT = (
    "The run is kept. It goes on when the agent starts with the code of before, or with on_change='go_on' or "
    "'restart'; runtime.cancel ends it"
)
_ENDED = (
    "It has ended, as a broker keeps the agent's messages. Send it again; with on_change='go_on' or 'restart' such a "
    "run goes on"
)
_OPEN = "The question stays open. Answer it again when the agent has the old code, or on_change='go_on' or 'restart'"


class ChangingAgent(Protocol):
    """A `FrameworkAgent`, as its changes are seen."""

    name: str
    on_change: OnChange | None
    parts: list[Part] | None

    def shape(self) -> Iterable[Part]:
        """What it runs, by name."""

    async def began_with(self, run: Run) -> Mapping[str, Any] | None:
        """What is kept with the question that `run` answers."""

    def _civitas_refuse(self, error: CivitasError) -> NoReturn: ...

    def _civitas_running(self) -> Runner: ...


def decided(on_change: OnChange | None, found: Sequence[Difference]) -> OnChange:
    """What becomes of a run for which this was found: what the agent says, or what the differences come to."""
    if on_change is not None:
        return on_change
    return OnChange.REFUSE if any(each.breaks for each in found) else OnChange.GO_ON


class ChangedCode:
    """Compares what a durable run began with to what its agent runs, before the run goes on.

    What it began with is recorded with its first step, in the same write; and where it asks a human, with its question.

    Args:
        agent: The agent.
        run: The run.
    """

    def __init__(self, agent: ChangingAgent, run: Run) -> None:
        self._agent = agent
        self._run = run
        self._runner = agent._civitas_running()
        self._steps = self._runner.step_keeper.steps()

    async def check(self) -> None:
        """Have the run go on, or start over, or be refused, if the code has changed since it began.

        Raises:
            RunChanged: It is refused.
        """
        agent, run = self._agent, self._run
        now = self._parts()
        if not now:
            return
        own = await self._steps.brought(SHAPE)
        run.left, waits = own is not None, None
        if own is None or agent.on_change is OnChange.RESTART:
            waits = await agent.began_with(run)
        known = own or waits
        over = own is not None and own.get("over", False)
        found = differences(read_parts(known["parts"]), now) if known is not None else []
        if found:
            action = decided(agent.on_change, found)
            cannot = self._cannot_start_over(waits) if action is OnChange.RESTART else ""
            action = OnChange.REFUSE if cannot else action
            self._tell(action, found, cannot)
            if action is OnChange.REFUSE:
                self._refuse(found, cannot, held=own is not None)
            if action is OnChange.RESTART:
                over, run.forgets = waits is not None, True
                await self._steps.start_over(SHAPE)
        if over and waits is not None:
            run.payload, run.history, run.starts_over = waits["payload"], waits["history"], True
        rows = [part.plain() for part in now]
        if found or own is None:
            self._steps.bring(SHAPE, {"parts": rows, "over": over})
        run.made.append(SHAPE)
        run.begun = {"parts": rows}
        if agent.on_change is OnChange.RESTART:
            first = waits if waits is not None and "payload" in waits else None
            run.begun |= {
                "payload": first["payload"] if first is not None else run.payload,
                "history": first["history"] if first is not None else run.history,
            }

    def _cannot_start_over(self, waits: Mapping[str, Any] | None) -> str:
        """Why a run cannot start over; empty if it can."""
        if not self._steps.is_known:
            return "it cannot start over, as the state store cannot list what it did"
        if waits is not None and "payload" not in waits:
            return "it cannot start over, as it asked before its agent had on_change='restart'"
        return ""

    def _parts(self) -> list[Part]:
        agent = self._agent
        if agent.parts is None:
            try:
                agent.parts = list(agent.shape())
            except Exception:
                agent.parts = []
                logger.exception(
                    "agent %r: what it runs could not be looked through, so that its runs are not compared with it",
                    agent.name,
                )
        return agent.parts

    def _refuse(self, found: Sequence[Difference], cannot: str, *, held: bool) -> NoReturn:
        # It may be an answer about a call of the run, which is recorded by now: then that goes on with it later.
        run, name = self._runner.now.current or self._run.message, self._agent.name
        self._runner.now.steps = None  # what is recorded stays, for when it goes on
        is_kept = held and run.run_name is not None
        then = _KEPT if is_kept else _ENDED if held else _OPEN
        texts = [each.text for each in found]
        told = "; ".join(filter(None, (in_words(texts), cannot)))
        error = RunChanged(run.run, name, texts, f"{told}. {then}", held=is_kept)
        self._agent._civitas_refuse(error)

    def _tell(self, action: OnChange, found: Sequence[Difference], cannot: str) -> None:
        run, name = self._run.message.run, self._agent.name
        then = "; ".join(filter(None, (in_words(found), cannot, _THEN[action])))
        text = f"the code has changed since the run {run!r} began: {then}"
        logger.warning("agent %r: %s (on_change=%s)", name, escaped(text), action)
        self._runner.node.event("changed", name, str(action), text)
