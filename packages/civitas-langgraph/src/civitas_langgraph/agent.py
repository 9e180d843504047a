"""`LangGraphAgent`: a compiled graph as an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack, cast

from langchain_core.messages import BaseMessage
from langchain_core.runnables.config import merge_configs
from langgraph.config import get_config
from langgraph.errors import GraphDrained
from langgraph.pregel import Pregel
from langgraph.pregel.protocol import PregelProtocol
from langgraph.runtime import RunControl
from langgraph.types import Command

from civitas.errors import ConfigurationError
from civitas.frameworks import (
    FrameworkAgent,
    FrameworkKeywords,
    Interrupted,
    Run,
    Unfinished,
)
from civitas_langgraph._outcomes import OUTCOMES
from civitas_langgraph._payload import GraphInput, flat_message
from civitas_langgraph._saver import StateStoreSaver
from civitas_langgraph._thread import RunThread
from civitas_langgraph._untracked import Untracked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.runnables import RunnableConfig

__all__ = ["LangGraphAgent"]

Graph = PregelProtocol[Any, Any, Any, Any]

_MESSAGE = "civitas_message"
"""In the metadata of a checkpoint, the id of the message whose run made it."""


class LangGraphAgent(FrameworkAgent):
    """Runs a compiled graph: the payload is its input, the reply its output state.

    Messages in the output arrive as flat dicts (`type`, `content`, `tool_calls`, ...); as input, LangGraph takes
    `{"role", "content"}` dicts. `{"input": text}` to a graph whose state is a message list is one user message.

    The message's `conversation` is the graph's thread. It is kept in the runtime's StateStore, or by the checkpointer
    that the graph was compiled with. A graph that interrupts answers with a reply of type `interrupt`.

    A durable run goes on from the last checkpoint of its thread: nodes that finished are not run again.

    Args:
        name: Address of the agent.
        graph: The compiled graph, or a function without arguments that builds it. Never changed.
        config: LangGraph's own run configuration: `recursion_limit`, `tags`, `callbacks`, `configurable`, ...
        context: LangGraph's run-time context, for graphs with a `context_schema`.
        **keywords: Those of `FrameworkAgent` and `AgentProcess`.

    Raises:
        ConfigurationError: `graph` is not a compiled graph, or a keyword does not fit.
    """

    subject_keyword = "graph"
    operation = "invoke_workflow"
    keeps_record = False
    outcomes = OUTCOMES

    def __init__(
        self,
        name: str,
        *,
        graph: Graph | Callable[[], Graph],
        config: RunnableConfig | None = None,
        context: Any = None,
        **keywords: Unpack[FrameworkKeywords],
    ) -> None:
        super().__init__(name, subject=graph, **keywords)
        self._config = config
        self._context = context
        self._input: GraphInput | None = None
        self._graph: Graph | None = None
        self._saver: StateStoreSaver | None = None
        self._untracked = Untracked()
        self._control: RunControl | None = None

    def accepts(self, subject: Any) -> bool:
        """Whether `subject` is a compiled graph."""
        return isinstance(subject, PregelProtocol)

    def expected(self) -> str:
        """What `graph` may be."""
        return "a compiled LangGraph graph (the result of `.compile()`)"

    def plain(self, value: Any) -> Any:
        """Messages become flat dicts."""
        return flat_message(value) if isinstance(value, BaseMessage) else value

    async def on_start(self) -> None:
        """Get the graph ready: one that cannot be built is a failed start, not a failed message."""
        graph = self._graph = self.subject
        self._input = GraphInput(graph)
        self._untracked = Untracked(graph)
        if isinstance(graph, Pregel):
            if graph.checkpointer is None:
                self._saver = StateStoreSaver(self.store, "", history=False)
                self._saver.untracked = self._untracked
                # A copy sets a channel of its own in the dict of the original.
                own = {"checkpointer": self._saver, "channels": {**graph.channels}}
                self._graph = graph.copy(own)
            elif graph.checkpointer is False and self.durable:
                raise ConfigurationError(
                    f"LangGraphAgent({self.name!r}): durable=True needs a graph with checkpoints, and this one was "
                    "compiled with checkpointer=False; leave that out"
                )

    async def run_framework(self, run: Run) -> Any:
        """Run the graph, or go on with it."""
        assert self._graph is not None  # since on_start
        assert self._input is not None
        thread_id, thread = self._thread_of(run)
        config = self._run_config(thread_id, run)
        more: dict[str, Any] = {}
        # Only where they are needed: not every kind of graph takes the keywords.
        if self._context is not None:
            more["context"] = self._context
        if isinstance(self._graph, Pregel):
            more["control"] = self._control = RunControl()
            if run.durable:
                more["durability"] = "sync"
            elif thread is not None:
                more["durability"] = "exit"
        state: Any
        if run.durable and run.again and await self._is_begun(config, run):
            state = None
        elif run.answers is not None:
            state = Command(resume=dict(run.answers))
        else:
            state = self._input.read(run.payload, self.refuse)
            if run.whole_history:
                state = self._input.anew(state)
        try:
            result = await self._graph.ainvoke(state, config, **more)
        except GraphDrained:
            raise Unfinished from None
        finally:
            self._control = None
        if isinstance(result, dict) and (open_ := result.get("__interrupt__")):
            if thread is not None:
                await thread.keep(self.memory_key(thread_id))
            return Interrupted([{"id": each.id, "value": each.value} for each in open_])
        if thread is not None:
            await thread.finish()
        return self._untracked.told(result)

    async def open_interrupts(self, conversation: str) -> Sequence[Mapping[str, Any]]:
        """The interrupts that the thread of `conversation` waits for."""
        graph = self._graph
        if not isinstance(graph, Pregel) or not graph.checkpointer:
            return ()
        if self._saver is not None:
            self._open(self._saver, self.memory_key(conversation))
        state = await graph.aget_state(self._merged({"thread_id": conversation}))
        return [{"id": each.id, "value": each.value} for each in state.interrupts]

    def key_of_step(self) -> str | None:
        """The task that runs: one visit of one node, the same when it is run again."""
        try:
            metadata = get_config().get("metadata") or {}
        except RuntimeError:  # no node runs here
            return None
        return metadata.get("langgraph_checkpoint_ns")

    def wind_down(self) -> None:
        """The graph stops when the step it is in is over."""
        if self._control is not None:
            self._control.request_drain(f"the agent {self.name!r} is to end")

    async def _is_begun(self, config: RunnableConfig, run: Run) -> bool:
        """Whether an earlier delivery of the message made checkpoints: the run goes on from the last of them."""
        assert isinstance(self._graph, Pregel)
        state = await self._graph.aget_state(config)
        metadata: Mapping[str, Any] = state.metadata or {}
        return metadata.get(_MESSAGE) == run.message.id

    def _thread_of(self, run: Run) -> tuple[str, RunThread | None]:
        """The id of the run's thread, and where it is kept; None where the graph has a checkpointer of its own."""
        message, configured = run.message, (self._config or {}).get("configurable", {})
        known = run.conversation or configured.get("thread_id")
        if self._saver is None:
            if known is None and run.durable:
                known = message.id
            # No conversation, no memory: a thread nobody else has, and no attempt before this one.
            alone = f"{message.id}-{message.attempt}" if message.attempt else message.id
            return known or alone, None
        key = self.memory_key(known) if known is not None else None
        return known or message.id, self._open(self._saver, key, run)

    def _open(self, saver: StateStoreSaver, key: str | None, run: Run | None = None) -> RunThread:
        durable = run is not None and run.durable
        saver.store = thread = RunThread(
            self.store,
            key,
            saver.dump,
            passing=self.passing_key("thread") if durable else None,
            again=run is not None and run.again,
        )
        saver.live = not durable
        return thread

    def _run_config(self, thread_id: str, run: Run) -> RunnableConfig:
        configurable: dict[str, Any] = {}
        if run.conversation is not None or getattr(self._graph, "checkpointer", None):
            configurable["thread_id"] = thread_id
        if run.durable:
            configurable[_MESSAGE] = run.message.id
        config = self._merged(configurable)
        callbacks: list[Any] = []
        if run.spans is not None:
            from civitas_langgraph._spans import GraphSpans

            callbacks.append(GraphSpans(run.spans))
        if run.streams:
            from civitas_langgraph._events import GraphEvents

            callbacks.append(GraphEvents(run))
        return merge_configs(config, {"callbacks": callbacks}) if callbacks else config

    def _merged(self, configurable: Mapping[str, Any]) -> RunnableConfig:
        """The user's configuration, and what belongs to one run."""
        given = self._config or {}
        if not configurable:
            return cast("RunnableConfig", {**given})
        return cast(
            "RunnableConfig",
            {**given, "configurable": {**given.get("configurable", {}), **configurable}},
        )
