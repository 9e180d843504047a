"""`OpenAIAgent`: an agent of the OpenAI Agents SDK as an agent of Civitas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from agents import Agent, RunConfig, Runner
from agents.exceptions import UserError
from agents.run import DEFAULT_MAX_TURNS

from civitas.frameworks import FrameworkAgent, FrameworkKeywords, Outcome, Run
from civitas_openai._approvals import answered, interrupted, read_answer
from civitas_openai._graph import Graph
from civitas_openai._hooks import Told
from civitas_openai._hub import final_output
from civitas_openai._model import Scope, scope
from civitas_openai._outcomes import OUTCOMES
from civitas_openai._payload import read_input
from civitas_openai._session import Buffered, Conversation
from civitas_openai._tracing import bridged, keep_traces_private

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents import RunResult, RunState
    from agents.memory import Session

__all__ = ["OpenAIAgent"]


class OpenAIAgent(FrameworkAgent):
    """Runs an SDK agent: `{"input": text or a list of input items}` becomes `{"output": final output}`.

    A structured output (a pydantic model, a dataclass) arrives as a dict. A run that stops for a tool approval
    answers with a reply of type `interrupt`.

    The SDK's own export of traces to its vendor is switched off in this process, unless it was asked for: see
    the guide.

    Args:
        name: Address of the agent.
        agent: The SDK's `Agent`, or a function without arguments that builds it. Never changed.
        run_config: The SDK's `RunConfig`.
        session: The SDK's `Session`: one memory for all messages of this agent.
        context: What tools and hooks get as `context`.
        max_turns: Model calls one run may make; None for no limit.
        **keywords: Those of `AgentProcess`.

    Raises:
        ConfigurationError: `agent` is not an `Agent`, or a keyword does not fit.
    """

    subject_keyword = "agent"
    operation = "invoke_agent"
    outcomes = OUTCOMES

    def __init__(
        self,
        name: str,
        *,
        agent: Agent[Any] | Callable[[], Agent[Any]],
        run_config: RunConfig | None = None,
        session: Session | None = None,
        context: Any = None,
        max_turns: int | None = DEFAULT_MAX_TURNS,
        **keywords: Unpack[FrameworkKeywords],
    ) -> None:
        super().__init__(name, subject=agent, **keywords)
        self._run_config = run_config
        self._own_config: RunConfig | None = None
        self._session = session
        self._context = context
        self._max_turns = max_turns
        self.ending = False
        """Whether it was asked to end."""

    def accepts(self, subject: Any) -> bool:
        """Whether `subject` is an SDK agent."""
        return isinstance(subject, Agent)

    def expected(self) -> str:
        """What `agent` may be."""
        return "an `agents.Agent`"

    async def on_stop(self) -> None:
        """Close what the SDK's own provider of models holds; one that was given is the user's."""
        if self._own_config is not None:
            await self._own_config.model_provider.aclose()

    def wind_down(self) -> None:
        """Have a durable run end before its next model call; the next incarnation goes on with it."""
        self.ending = True

    def outcome(self, error: Exception) -> Outcome:
        """What a failure means; what a tool raises comes in an exception of the SDK's."""
        while isinstance(error, UserError) and isinstance(error.__cause__, Exception):
            error = error.__cause__
        return super().outcome(error)

    async def run_framework(self, run: Run) -> Any:
        """Run the agent, or go on with the run whose approvals are answered."""
        keep_traces_private()
        graph = Graph(run)
        agent = graph.agent(self.subject)
        begin: Any
        if run.answers is None:
            begin = read_input(run.payload, self.refuse)
        else:
            begin = await self._answered(run, agent)
        session = self._session_of(run)
        with bridged(run.spans):
            result = await self._runs(run, graph, agent, begin, session)
        if isinstance(session, Conversation):
            run.history = session.items
        elif isinstance(session, Buffered):
            await run.once("session", session.flush)
        elif session is None and (result.interruptions or run.answers is not None):
            # It began without a conversation, and has one since it asked.
            run.history = result.to_input_list()
        if result.interruptions:
            return interrupted(result, session is not None)
        return {"output": final_output(result)}

    async def _runs(
        self, run: Run, graph: Graph, agent: Agent[Any], begin: Any, session: Any
    ) -> RunResult:
        if self._run_config is None and self._own_config is None:
            # The SDK would make one for each run, and a client of the model's with it.
            self._own_config = RunConfig()
        config = graph.config(self._run_config or self._own_config)
        told = Told(run) if run.streams else None
        if told is not None and run.answers is not None:
            await told.resume(begin._current_agent)
        token = scope.set(Scope(run))
        try:
            # Not `run_streamed`, which reads ahead of a slow reader without bounds.
            return await Runner.run(
                agent,
                begin,
                context=self._context,
                max_turns=self._max_turns,
                hooks=told,
                run_config=config,
                session=session,
            )
        finally:
            scope.reset(token)

    async def _answered(self, run: Run, agent: Agent[Any]) -> RunState[Any]:
        """The state from which an interrupted run goes on."""
        answers = {}
        for id, given in (run.answers or {}).items():
            path = f"payload.values.{id}" if "values" in run.payload else "payload.value"
            answers[id] = read_answer(given, path, self.refuse)
        return await answered(self.name, agent, self._context, run.saved, answers)

    def _session_of(self, run: Run) -> Any:
        """What the SDK reads the conversation from, and adds to."""
        if self._session is not None:
            return Buffered(self._session) if run.durable else self._session
        if run.conversation is None or (run.answers is not None and not run.saved["session"]):
            return None
        return Conversation(run.conversation, run.history)
