"""`OpenAIAgent`: an agent of the OpenAI Agents SDK as an agent of Civitas."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Unpack

from agents import Agent, RunConfig, Runner
from agents.exceptions import UserError
from agents.run import DEFAULT_MAX_TURNS

from civitas.frameworks import (
    FrameworkAgent,
    FrameworkKeywords,
    Outcome,
    Part,
    Run,
    newest_turns,
)
from civitas.frameworks.given import named
from civitas.frameworks.kept_context import KeptContext
from civitas.frameworks.telling_next import tell_next
from civitas.process import AmbiguousCall, ErrorAction
from civitas_openai._attempt import Attempt
from civitas_openai._context import factory_of
from civitas_openai._humans import answered, interrupted, read_answer, refuse_too_deep
from civitas_openai._memory import Memory
from civitas_openai._once import scope
from civitas_openai._options import (
    read_error_handlers,
    read_hooks,
    read_max_turns,
    read_next_turn,
    read_run_config,
    read_session,
    refuse_memory_elsewhere,
)
from civitas_openai._outcomes import OUTCOMES
from civitas_openai._payload import read_input
from civitas_openai._responses import as_answer
from civitas_openai._results import dump_result
from civitas_openai._servers import Servers, agents_of
from civitas_openai._shape import shape_of
from civitas_openai._stream import Both
from civitas_openai._tools import final_output
from civitas_openai._tracing import bridged, keep_traces_private
from civitas_openai._watched import WatchedAgents

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from agents import RunHooks, RunResult, RunState
    from agents.memory import Session
    from agents.run_error_handlers import RunErrorHandlers

    from civitas.message import Message
    from civitas_openai._options import NextTurn

__all__ = ["OpenAIAgent"]

logger = logging.getLogger("civitas")


class OpenAIAgent(FrameworkAgent):
    """Runs an SDK agent: `{"input": text or a list of input items}` becomes `{"output": final output}`.

    A structured output (a pydantic model, a dataclass) arrives as a dict. A run that stops for a tool approval
    answers with a reply of type `interrupt`.

    The SDK's own export of traces to its vendor is switched off in this process, unless it was asked for: see
    the guide.

    Args:
        name: Address of the agent.
        agent: The SDK's `Agent`, or a function without arguments that builds it. Never changed.
        run_config: The SDK's `RunConfig`, or its fields.
        session: The SDK's `Session`: one memory for all messages of this agent.
        context: What tools and hooks get as `context`, one for each conversation: a class or a function that makes it,
            without arguments or with the message as its one; any other object is copied for each.
        max_turns: Model calls one run may make; None for no limit.
        hooks: The SDK's `RunHooks`, called in every run.
        error_handlers: The SDK's `error_handlers`: what a run ends with in place of an error.
        next_turn: Where the next message of a conversation begins: at the agent that answered last, as after a
            handoff, or at the first.
        **keywords: Those of `AgentProcess`.

    If they are objects, a topology names them as ``module:name``.

    Raises:
        ConfigurationError: `agent` is not an `Agent`, or a keyword does not fit.
    """

    subject_keyword = "agent"
    operation = "invoke_agent"
    distributions = ("openai-agents",)
    outcomes = OUTCOMES

    def __init__(
        self,
        name: str,
        *,
        agent: Agent[Any] | Callable[[], Agent[Any]],
        run_config: RunConfig | Mapping[str, Any] | str | None = None,
        session: Session | str | None = None,
        context: Any = None,
        max_turns: int | None = DEFAULT_MAX_TURNS,
        hooks: RunHooks[Any] | str | None = None,
        error_handlers: RunErrorHandlers[Any] | Mapping[str, Any] | str | None = None,
        next_turn: NextTurn = "last_agent",
        **keywords: Unpack[FrameworkKeywords],
    ) -> None:
        where = f"{type(self).__name__}({name!r})"
        refuse_memory_elsewhere(where, keywords)
        super().__init__(name, subject=agent, **keywords)
        self._run_config = read_run_config(run_config, where)
        self._own_config: RunConfig | None = None
        self._session = read_session(session, where)
        context = named(context, "context", where)
        self._make_context = None if context is None else factory_of(context, where)
        self._max_turns = read_max_turns(max_turns, where)
        self._hooks = read_hooks(hooks, where)
        self._error_handlers = read_error_handlers(error_handlers, where)
        self._next_turn = read_next_turn(next_turn, where)
        self._attempt: Attempt | None = None
        self._servers = Servers(self)
        self._ending = False
        """Whether it was asked to end."""

    def accepts(self, subject: Any) -> bool:
        """Whether `subject` is an SDK agent."""
        return isinstance(subject, Agent)

    def expected(self) -> str:
        """What `agent` may be."""
        return "an `agents.Agent`"

    async def on_start(self) -> None:
        """Connect the MCP servers of the agent, until the incarnation ends, however it does."""
        await super().on_start()
        refuse_too_deep(self.name, self.subject)
        await self.open_resource(self._connect, f"MCP servers of {self.name!r}")

    async def _connect(self) -> tuple[Servers, Callable[[], Awaitable[None]]]:
        await self._servers.connect(self.subject)
        return self._servers, self._servers.cleanup

    async def on_stop(self) -> None:
        """Close what the SDK's own provider of models holds; one that was given is the user's."""
        if self._own_config is not None:
            await self._own_config.model_provider.aclose()

    def wind_down(self) -> None:
        """Have a durable run end before its next model call; the next incarnation goes on with it."""
        self._ending = True

    def shape(self) -> Iterable[Part]:
        """The agents that a run may come to, with their tools and words."""
        return shape_of(self.subject, self._run_config)

    def shortened(self, history: Any, longest: int) -> Any:
        """The newest turns, each from what a user said."""
        if not isinstance(history, dict) or "failed" in history:
            return history  # whoever is told what failed counts the items before it
        items = history.get("items", ())
        return {**history, "items": list(newest_turns(items, longest, _is_users))}

    def recorded(self, call: AmbiguousCall, result: Any) -> Any:
        """As the calls of models and tools are recorded."""
        return as_answer(result) if call.kind == "model" else dump_result(result)

    def outcome(self, error: Exception) -> Outcome:
        """What a failure means; what a tool raises comes in an exception of the SDK's."""
        while isinstance(error, UserError) and isinstance(error.__cause__, Exception):
            error = error.__cause__
        return super().outcome(error)

    async def run_framework(self, run: Run) -> Any:
        """Run the agent, or go on with the run whose approvals are answered."""
        keep_traces_private()
        self._attempt = None
        watched = WatchedAgents(run, self._servers)
        agent = watched.agent(self.subject)
        memory = self._memory_of(run)
        context = await self._context_of(run, memory)
        attempt = Attempt(run, memory, context, self._session)
        begin: Any
        if not run.answers:
            begin = [] if run.goes_on else read_input(run.payload, self.refuse)
            await attempt.begin(begin)
            agent = self._begins(watched, agent, memory)
        else:
            begin = await self._answered(run, agent, context, memory)
            attempt.scope.calls.answers += begin._model_responses[-1:]
        self._attempt = attempt
        with bridged(run.spans):
            result = await self._runs(attempt, watched, agent, begin)
        await attempt.end(result)
        if result.interruptions:
            return interrupted(result, attempt.session is not None, attempt.kept.items)
        return {"output": final_output(result)}

    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        """As of every adapter; where the run is not done again, the next one is told about the calls that it made."""
        action = await super().on_error(error, message)
        attempt, self._attempt = self._attempt, None
        await tell_next(self, attempt, error, message, action)
        return action

    async def _runs(
        self, attempt: Attempt, watched: WatchedAgents, agent: Agent[Any], begin: Any
    ) -> RunResult:
        if self._run_config is None and self._own_config is None:
            # The SDK would make one for each run, and a client of the model's with it.
            self._own_config = RunConfig()
        run, told = attempt.run, attempt.told
        if run.answers:
            await told.resume(begin._current_agent)
        token = scope.set(attempt.scope)
        try:
            # Not `run_streamed`, which reads ahead of a slow reader without bounds.
            return await Runner.run(
                agent,
                begin,
                context=attempt.context and attempt.context.value,
                max_turns=self._max_turns,
                hooks=told if self._hooks is None else Both(told, self._hooks),
                run_config=watched.config(self._run_config or self._own_config),
                error_handlers=self._error_handlers,
                session=attempt.session,
            )
        finally:
            scope.reset(token)

    def _memory_of(self, run: Run) -> Memory:
        """What is kept of the conversation; without its items where the payload holds those."""
        if not run.whole_history or run.conversation is None:
            return Memory.load(run.history, run.message.id)
        memory = Memory.load(run.record and run.record.history, run.message.id)
        memory.items, memory.left = [], []
        return memory

    async def _context_of(self, run: Run, memory: Memory) -> KeptContext | None:
        """The context of the conversation."""
        if self._make_context is None:
            return None
        made = self._make_context(run.message)
        context = KeptContext(await made if hasattr(made, "__await__") else made)
        if memory.context is not None:
            context.restore(memory.context)
        context.begin()
        return context

    def _begins(self, watched: WatchedAgents, first: Agent[Any], memory: Memory) -> Agent[Any]:
        """The agent that the next message of the conversation begins at."""
        starts_anew = self._next_turn == "first_agent" and not watched.run.goes_on
        if starts_anew or memory.agent in (None, first.name):
            return first
        last = next(
            (each for each in agents_of(first, tools=False) if each.name == memory.agent), None
        )
        if last is None:
            logger.info(
                "agent %r: there is no SDK agent %r any more, which was the last to answer in conversation %r; "
                "the conversation goes on with %r",
                self.name,
                memory.agent,
                watched.run.conversation,
                first.name,
            )
            return first
        return last

    async def _answered(
        self, run: Run, agent: Agent[Any], context: KeptContext | None, memory: Memory
    ) -> RunState[Any]:
        """The state from which an interrupted run goes on."""
        answers = {}
        for id, given in (run.answers or {}).items():
            path = f"payload.values.{id}" if "values" in run.payload else "payload.value"
            answers[id] = read_answer(given, path, self.refuse)
        value = context and context.value
        return await answered(self.name, agent, value, run.saved, memory.items, answers)


def _is_users(item: Any) -> bool:
    return bool(item.get("role") == "user")
