"""`LangGraphAgent`: a compiled graph as an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from langchain_core.messages import BaseMessage
from langchain_core.runnables.config import merge_configs
from langgraph.pregel.protocol import PregelProtocol

from civitas.frameworks import FrameworkAgent, FrameworkKeywords, Interrupted, Run
from civitas_langgraph._payload import GraphInput, flat_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.runnables import RunnableConfig


__all__ = ["LangGraphAgent"]

Graph = PregelProtocol[Any, Any, Any, Any]


class LangGraphAgent(FrameworkAgent):
    """Runs a compiled graph: the payload is its input, the reply its output state.

    Messages in the output arrive as flat dicts (`type`, `content`, `tool_calls`, ...); as input, LangGraph takes
    `{"role", "content"}` dicts. `{"input": text}` to a graph whose state is a message list is one user message.

    A graph that was compiled with a checkpointer keeps the message's `conversation` as its thread; without a
    conversation, each message has a thread of its own. A graph that interrupts answers with a reply of type
    `interrupt`.

    Args:
        name: Address of the agent.
        graph: The compiled graph, or a function without arguments that builds it. Never changed.
        config: LangGraph's own run configuration: `recursion_limit`, `tags`, `callbacks`, `configurable`, ...
        context: LangGraph's run-time context, for graphs with a `context_schema`.
        **keywords: Those of `AgentProcess`.

    Raises:
        ConfigurationError: `graph` is not a compiled graph, or a keyword does not fit.
    """

    subject_keyword = "graph"
    operation = "invoke_workflow"

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

    def accepts(self, subject: Any) -> bool:
        """Whether `subject` is a compiled graph."""
        return isinstance(subject, PregelProtocol)

    def expected(self) -> str:
        """What `graph` may be."""
        return "a compiled LangGraph graph (the result of `.compile()`)"

    def plain(self, value: Any) -> Any:
        """Messages become flat dicts."""
        return flat_message(value) if isinstance(value, BaseMessage) else value

    async def run_framework(self, run: Run) -> Any:
        """Run the graph."""
        graph: Graph = self.subject
        if self._input is None:
            self._input = GraphInput(graph)
        state = self._input.read(run.payload, self.refuse)
        # Only where one is given: not every kind of graph takes the keyword.
        more = {} if self._context is None else {"context": self._context}
        result = await graph.ainvoke(state, self._run_config(graph, run), **more)
        if isinstance(result, dict) and (open_ := result.get("__interrupt__")):
            return Interrupted([{"id": each.id, "value": each.value} for each in open_])
        return result

    def _run_config(self, graph: Graph, run: Run) -> RunnableConfig:
        config: RunnableConfig = {**(self._config or {})}
        configurable = config.get("configurable", {})
        message, thread = run.message, run.conversation
        if (
            thread is None
            and getattr(graph, "checkpointer", None)
            and "thread_id" not in configurable
        ):
            # No conversation, no memory: a thread nobody else has, and no attempt before this one.
            thread = f"{message.id}-{message.attempt}" if message.attempt else message.id
        if thread is not None:
            config["configurable"] = {**configurable, "thread_id": thread}
        if run.spans is not None:
            from civitas_langgraph._spans import GraphSpans

            config = merge_configs(config, {"callbacks": [GraphSpans(run.spans)]})
        return config
