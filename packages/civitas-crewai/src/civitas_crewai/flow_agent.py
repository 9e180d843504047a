"""`FlowAgent`: a CrewAI Flow as an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from crewai.events.utils.console_formatter import set_suppress_console_output
from crewai.flow.flow import Flow
from crewai.hooks.dispatch import scoped_hooks
from pydantic import ValidationError

from civitas.errors import ConfigurationError
from civitas.frameworks import (
    FrameworkAgent,
    FrameworkKeywords,
    Interrupted,
    Outcome,
    Part,
    Run,
)
from civitas.process import AmbiguousCall
from civitas_crewai._flow_crews import FlowCrews
from civitas_crewai._flow_humans import FlowHumans
from civitas_crewai._flow_inputs import misspelt
from civitas_crewai._flow_state import begin_with, check_reply, keep, name_state
from civitas_crewai._flow_steps import FlowSteps
from civitas_crewai._models import Models
from civitas_crewai._outcomes import OUTCOMES, ends_badly
from civitas_crewai._packing import recorded_call
from civitas_crewai._passing import Pass
from civitas_crewai._payload import output_of
from civitas_crewai._shape import flow_shape
from civitas_crewai._side_effects import after_import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["FlowAgent"]

after_import()


class FlowAgent(FrameworkAgent):
    """Runs a CrewAI Flow: the payload is its kickoff inputs, the reply `{"output": ..., "state": {...}}`.

    `output` is what its last method returned, and `state` what the flow's state is in the end. Each method is a step: a
    run that goes on after a question, and with `durable=True` after a crash or a kill, does not call again what is
    finished. `@human_feedback` and `Flow.ask` are questions to a human, as an `interrupt`. In a conversation, a run
    begins with the state in which the one before ended.

    Every run has a flow of its own.

    Args:
        name: Address of the agent.
        flow: The class of the flow, or a function without arguments that builds one.
        **keywords: Those of `FrameworkAgent` and `AgentProcess`.

    Raises:
        ConfigurationError: `flow` builds something else, or a keyword does not fit.
    """

    subject_keyword = "flow"
    operation = "invoke_workflow"
    distributions = ("crewai",)
    outcomes = OUTCOMES

    def __init__(
        self,
        name: str,
        *,
        flow: Callable[[], Any],
        **keywords: Unpack[FrameworkKeywords],
    ) -> None:
        super().__init__(name, subject=flow, **keywords)

    def accepts(self, subject: Any) -> bool:
        """Whether `subject` is a flow."""
        return isinstance(subject, Flow)

    def expected(self) -> str:
        """What `flow` may be."""
        return "the class of a `crewai.flow.Flow`"

    async def on_start(self) -> None:
        """Refuse an instance of a flow: it keeps the state of its runs, and cannot be copied."""
        if not self.is_built:
            kind = type(self.subject).__name__
            raise ConfigurationError(
                f"FlowAgent({self.name!r}): a {kind} keeps the state of its runs, so each run needs a new one. Give "
                f"the class {kind}, or a function without arguments that builds one"
            )

    def shape(self) -> Iterable[Part]:
        """The methods of the flow, and what begins each."""
        return flow_shape(self.opened_subject.value)

    async def run_framework(self, run: Run) -> Any:
        """Run a flow of its own for this message."""
        opened = await self.open_subject()
        try:
            return await self._run_flow(run, opened.value)
        finally:
            await self.close_subject(opened)

    async def _run_flow(self, run: Run, flow: Flow[Any]) -> Any:
        """Run a flow; or again, for the answer to a question, up to the next one."""
        way = Pass(run)
        payload = way.payload
        if not isinstance(payload, dict):
            self.refuse(
                "payload", f"a dict of kickoff inputs is needed, got {type(payload).__name__}"
            )
        if flow.persistence is None:  # otherwise the id says whose state is loaded
            name_state(flow, way.name)
        if run.history:
            begin_with(flow, {key: run.history[key] for key in run.history if key != "id"})
        self._check_inputs(flow, payload)
        steps = FlowSteps(flow, run, way.calls, way.bridge, way.voice, way.told)

        async def kickoff() -> Any:
            set_suppress_console_output(True)  # it would draw a box for each method
            steps.watch()
            humans = FlowHumans(
                way.name, way.answers, steps, Models(way.calls, way.voice, keyed=run.durable)
            )
            humans.answer(flow)
            flow.stream = False  # a run streams to the reader of the message's stream, if any
            crews = FlowCrews(way.calls, way.voice, way.name, way.answers, humans, run)
            with crews, scoped_hooks(crews.hooks), way.watched():
                return await flow.akickoff(inputs=dict(payload) or None)

        result = await way.go(kickoff, self.lend_threads(), f"civitas-flow-{self.name}")
        if isinstance(result, Interrupted):
            return result
        check_reply(flow, steps.left)
        if run.conversation is not None:
            run.history = keep(flow, steps.left)
        return {"output": output_of(result), "state": flow.state}

    def _check_inputs(self, flow: Flow[Any], payload: dict[str, Any]) -> None:
        """Refuse what the state of the flow does not take, before anything runs."""
        for name in payload:
            if not isinstance(name, str):
                self.refuse(f"payload[{name!r}]", "the name of an input must be text")
        if "id" in payload and flow.persistence is None:
            self.refuse(
                "payload.id",
                "the id of its state is not for whoever asks to choose, as the flow has no @persist; leave it out, and "
                "name a conversation to go on with a state",
            )
        if isinstance(flow.state, dict):
            return
        if (problem := misspelt(type(flow.state), payload)) is not None:
            self.refuse(*problem)
        try:
            type(flow.state).model_validate({**flow.state.model_dump(), **payload})
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join(map(str, ("payload", *first["loc"])))
            self.refuse(path, f"the state of the flow does not take it: {first['msg']}")

    def recorded(self, call: AmbiguousCall, result: Any) -> Any:
        """As the calls of models and tools are recorded."""
        return recorded_call(call, result)

    def outcome(self, error: Exception) -> Outcome:
        """What a failure means; CrewAI has one class for many things, and says in words which it is."""
        return Outcome.ANSWER if ends_badly(error) else super().outcome(error)

    def check_answer(self, question: Mapping[str, Any], answer: Any) -> None:
        """Refuse an answer that is not text."""
        if not isinstance(answer, str):
            self.refuse(
                "payload.value",
                f"the answer to {question['id']!r} must be text; got {type(answer).__name__}",
            )
