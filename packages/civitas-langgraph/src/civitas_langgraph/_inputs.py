"""What a graph is run on: a state, a command, or nothing if it goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from langgraph.pregel import Pregel
from langgraph.types import Command, Send

from civitas.errors.hints import did_you_mean
from civitas_langgraph._breakpoints import GoAhead, has_breakpoints, is_at_breakpoint
from civitas_langgraph._humans import answer_fits, is_waited_for

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

    from civitas.frameworks import Run
    from civitas_langgraph._payload import GraphInput, Refuse

__all__ = ["MESSAGE", "STANDS", "Inputs", "is_command", "read_command"]

MESSAGE = "civitas_message"
"""In the metadata of a checkpoint, the id of the message whose run made it."""

STANDS: Any = object()
"""In place of an input: an earlier delivery of the message brought the run to a breakpoint already."""

_OF_NO_TASK = "00000000-0000-0000-0000-000000000000"
"""Under this id LangGraph keeps what a command wrote."""


class Inputs:
    """What the runs of an agent's graph begin with.

    Args:
        graph: The graph.
        shape: What it takes.
        refuse: Refuses the payload.
        answers: The answers that a run's payload gives, by the ids of the questions.
    """

    def __init__(
        self,
        graph: Any,
        shape: GraphInput,
        refuse: Refuse,
        answers: Callable[[Run], Awaitable[dict[str, Any]]],
    ) -> None:
        self._graph = graph
        self._shape = shape
        self._refuse = refuse
        self._answers = answers
        self._breaks = isinstance(graph, Pregel) and has_breakpoints(graph)

    async def command_of(self, run: Run) -> Command[Any] | None:
        """The command that the message is, whose answers become those of the run; None for any other message."""
        if run.answers is not None or not (self._is_command(run) and not run.starts_over):
            return None
        command = read_command(run.payload, self._shape, self._refuse)
        if command.resume is not None:
            run.answers = await self._answered(run, command.resume)
        return command

    def answers(self, run: Run) -> bool:
        """Whether the message answers a question."""
        told = run.payload if self._is_command(run) else None
        return run.message.type == "resume" or (
            isinstance(told, dict) and told.get("resume") is not None
        )

    @staticmethod
    def _is_command(run: Run) -> bool:
        return run.message.type == "command" or is_command(run.payload)

    async def of(self, run: Run, command: Command[Any] | None, config: RunnableConfig) -> Any:
        """What to run the graph on; None to go on, and `STANDS`.

        Args:
            run: The run.
            command: As `command_of` returned it.
            config: Of the run.
        """
        if run.durable and run.again and await self._is_begun(run, config):
            return STANDS if self._breaks and await self._is_at_breakpoint(config) else None
        if command is None and run.answers is None:
            state = self._shape.read(run.payload, self._refuse)
            return self._shape.anew(state) if run.whole_history else state
        if run.answers is not None:
            await self._go_ahead(run, config)
            given = {id: value for id, value in run.answers.items() if is_waited_for(id)}
            command = dataclasses.replace(command or Command(), resume=given or None)
        if command is not None and run.again and await self._has_written(config):
            command = Command(resume=command.resume)
        return None if command == Command() else command

    def check(self, question: Mapping[str, Any], answer: Any) -> None:
        """Refuse what does not fit the question's `response_schema`, and what says nothing to a breakpoint."""
        if is_waited_for(question["id"]):
            answer_fits(question, answer, self._refuse)
        else:
            GoAhead.read(answer, self._shape, self._refuse)

    async def _go_ahead(self, run: Run, config: RunnableConfig) -> None:
        """Do what the answers to breakpoints say."""
        marks = {MESSAGE: run.message.id} if run.durable else {}
        for id, value in (run.answers or {}).items():
            if not is_waited_for(id):
                go_ahead = GoAhead.read(value, self._shape, self._refuse)
                if go_ahead.changes:
                    snapshot = await self._graph.aget_state(config, subgraphs=True)
                    await go_ahead.apply(self._graph, snapshot, marks)

    async def _answered(self, run: Run, resume: Any) -> dict[str, Any]:
        by_id = isinstance(resume, dict) and bool(resume) and all(map(is_waited_for, resume))
        told = {"values" if by_id else "value": resume}
        return await self._answers(dataclasses.replace(run, payload=told))

    async def _is_begun(self, run: Run, config: RunnableConfig) -> bool:
        """Whether an earlier delivery of the message made checkpoints: the run goes on from the last of them."""
        state = await self._graph.aget_state(config)
        return bool((state.metadata or {}).get(MESSAGE) == run.message.id)

    async def _is_at_breakpoint(self, config: RunnableConfig) -> bool:
        snapshot = await self._graph.aget_state(config, subgraphs=True)
        return await is_at_breakpoint(self._graph, snapshot)

    async def _has_written(self, config: RunnableConfig) -> bool:
        """Whether an earlier delivery's update of the state is kept: the graph finds it there, and once is enough."""
        saver = getattr(self._graph, "checkpointer", None)
        found = await saver.aget_tuple(config) if saver else None
        writes = (found.pending_writes if found is not None else None) or ()
        return any(task == _OF_NO_TASK for task, _, _ in writes)


_FIELDS = frozenset(field.name for field in dataclasses.fields(Command))
_KEYS = ("resume", "update", "goto")


def is_command(payload: Any) -> bool:
    """Whether a `Command` was sent: it travels as a dict of all its fields."""
    return isinstance(payload, dict) and payload.keys() == _FIELDS


def read_command(payload: Any, graph: GraphInput, refuse: Refuse) -> Command[Any]:
    """The command that `payload` is: a dict with some of `resume`, `update` and `goto`."""
    if not isinstance(payload, dict):
        refuse("payload", f"a command must be a dict with {_words()}; got {type(payload).__name__}")
    given = {key: value for key, value in payload.items() if value not in (None, [])}
    if given.pop("graph", None) is not None:
        refuse("payload.graph", "a message commands the agent's own graph; leave it out")
    for key in given:
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS)
            refuse(f"payload.{key}", f"a command takes {_words()}{hint}")
    if not given:
        refuse("payload", f"a command says at least one of {_words()}")
    if "update" in given:
        given["update"] = graph.update(given["update"], "payload.update", refuse)
    if "goto" in given:
        given["goto"] = _goto(given["goto"], graph, refuse)
    return Command(**given)


def _goto(value: Any, graph: GraphInput, refuse: Refuse) -> list[str | Send]:
    """Where to go: the name of a node, ``{"node", "arg"}`` for a `Send`, or a list of these."""
    told: list[str | Send] = []
    for each in value if isinstance(value, list) else [value]:
        sends = isinstance(each, dict) and each.keys() == {"node", "arg"}
        node = each["node"] if sends else each
        graph.node(node, "payload.goto", refuse)
        told.append(Send(node, each["arg"]) if sends else node)
    return told


def _words() -> str:
    return ", ".join(map(repr, _KEYS))
