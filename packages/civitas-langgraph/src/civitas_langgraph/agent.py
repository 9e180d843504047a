"""`LangGraphAgent`: a compiled graph as an agent."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal, Unpack

from langchain_core.messages import BaseMessage
from langchain_core.runnables.config import merge_configs
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.pregel import Pregel
from langgraph.pregel.protocol import PregelProtocol
from langgraph.runtime import RunControl

from civitas.frameworks import (
    FrameworkAgent,
    FrameworkKeywords,
    Interrupted,
    OnChange,
    Part,
    Run,
    Unfinished,
)
from civitas.frameworks.conversations import NOTE
from civitas.frameworks.given import named
from civitas.frameworks.remembering import Remembering
from civitas.state.patience import PatientStore
from civitas_langgraph._accounts import Accounts, StreamingAccounts
from civitas_langgraph._ambiguous import NotedNodes, recorded_result
from civitas_langgraph._as_it_was import AsItWas
from civitas_langgraph._call_keys import key_of_step, key_tool_calls
from civitas_langgraph._checkpointer import check_checkpoint, check_checkpointer
from civitas_langgraph._classes import classes_of, read_classes
from civitas_langgraph._context import Contexts
from civitas_langgraph._humans import keep_questions_open, questions
from civitas_langgraph._inputs import MESSAGE, STANDS, Inputs
from civitas_langgraph._memory import RunThread
from civitas_langgraph._once import InTurn, let_graphs_without_checkpoints_be_sync
from civitas_langgraph._options import (
    checked_durability,
    checked_history,
    config_of,
    with_config,
)
from civitas_langgraph._outcomes import OUTCOMES
from civitas_langgraph._own_thread import OwnThread
from civitas_langgraph._payload import GraphInput, flat_message
from civitas_langgraph._replaced import copy_of, with_store
from civitas_langgraph._run import End, run_graph
from civitas_langgraph._saver import StateStoreSaver
from civitas_langgraph._shape import shape_of
from civitas_langgraph._spent import spent_by
from civitas_langgraph._untracked import Untracked
from civitas_langgraph._unwritable import name_unwritable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from langchain_core.runnables import RunnableConfig
    from langgraph.store.base import IndexConfig
    from langgraph.types import Durability

    from civitas.message import Message

__all__ = ["LangGraphAgent"]

Graph = PregelProtocol[Any, Any, Any, Any]


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
        config: LangGraph's own run configuration, a dict of `recursion_limit`, `tags`, `callbacks`, `configurable` and
            so on, or a function from a message to the one of its run. In a topology, also ``module:name``. What a
            message brings along by `ask(..., config=...)` is added to it.
        context: LangGraph's run-time context, for graphs with a `context_schema`: one for all runs, a function or a
            class without arguments that makes one for each conversation, or a function of the message that makes one
            for each message. In a topology, also ``module:name``.
        durability: LangGraph's own, for the runs of a graph with a checkpointer of its own: `"sync"`, `"async"` or
            `"exit"`; None for LangGraph's default. A durable run is kept at each step, `"sync"`, and takes no other.
        history: For a graph that was compiled without a checkpointer: how many checkpoints of a conversation are kept
            for LangGraph's time travel, a number or "all". 1 is what the next run goes on from.
        state_classes: Further classes, or texts ``module:Class``, that the state may hold objects of. Those in the
            graph's schemas and LangChain's own it may hold anyway; an object of any other comes back as plain data.
        store_index: For a graph that was compiled without a store: LangGraph's `IndexConfig`, `{"dims", "embed",
            "fields"}`, with which its store finds by meaning. In a topology, also ``module:name``.
        **keywords: Those of `FrameworkAgent` and `AgentProcess`.

    Raises:
        ConfigurationError: `graph` is not a compiled graph, or a keyword does not fit.
    """

    subject_keyword = "graph"
    operation = "invoke_workflow"
    distributions = ("langgraph", "langchain", "langchain-core")
    takes_config = True
    keeps_record = False
    outcomes = OUTCOMES

    def __init__(
        self,
        name: str,
        *,
        graph: Graph | Callable[[], Graph],
        config: RunnableConfig | Callable[[Message], RunnableConfig] | str | None = None,
        context: Any = None,
        durability: Durability | None = None,
        history: Literal["all"] | int = 1,
        state_classes: Iterable[type | str] = (),
        store_index: IndexConfig | str | None = None,
        **keywords: Unpack[FrameworkKeywords],
    ) -> None:
        super().__init__(name, subject=graph, **keywords)
        self._where = f"{type(self).__name__}({name!r})"
        self._configs = config_of(config, self._where)
        self._context = named(context, "context", self._where)
        self._durability = checked_durability(durability, self._where, durable=self.durable)
        self._history = history
        checked_history(history, self._where)
        self._store_index = named(store_index, "store_index", self._where)
        self._state_classes = read_classes(self._where, state_classes)
        self._contexts: Contexts | None = None
        self._inputs: Inputs | None = None
        self._graph: Graph | None = None
        self._saver: StateStoreSaver | None = None
        self._in_turn = InTurn()
        self._nodes = NotedNodes(self.call_notes, self._in_turn)
        self._untracked = Untracked()
        self._control: RunControl | None = None
        self._winds_down = False

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
        graph = self.subject
        self._untracked = Untracked(graph)
        schema = getattr(graph, "context_schema", None)
        self._contexts = Contexts(self._context, schema, self._where)
        if self.durable:
            let_graphs_without_checkpoints_be_sync()
        await check_checkpointer(
            graph, self._where, durable=self.durable, lost_at=self._memory_is_lost()
        )
        kept = self._keeping_checkpoints(graph)
        graph = with_store(kept, self.store, self._store_index, self._where)
        self._graph = self._nodes.watched(graph, self._where)
        self._inputs = Inputs(self._graph, GraphInput(graph), self.refuse, self.answers_of)

    async def run_framework(self, run: Run) -> Any:
        """Run the graph, or go on with it."""
        graph = self._graph
        assert graph is not None  # since on_start
        assert self._inputs is not None
        assert self._contexts is not None
        key_tool_calls()
        command = await self._inputs.command_of(run)
        given = with_config(self._configs(run.message), run.config, self._where)
        thread_id, thread = self._thread_of(run, given)
        accounts = (StreamingAccounts if run.watched else Accounts)(run.progress)
        config = self._run_config(given, thread_id, run, accounts)
        at = config
        if isinstance(graph, Pregel) and isinstance(thread, OwnThread):
            at = await thread.begin(graph, config)
        await check_checkpoint(graph, at, f"{thread_id!r} of {self.name!r}")
        await self._nodes.check(graph, at)
        input = await self._inputs.of(run, command, at)
        more: dict[str, Any] = {}
        # Only if they are needed: not every kind of graph takes the keywords.
        key = self._context_key(run, thread_id)
        passing = self.passing_key("context") if run.durable else None
        context = await self._contexts.begin(run, self.store, key, passing)
        if context is not None:
            more["context"] = context
        if isinstance(graph, Pregel):
            more["control"] = self._control = RunControl()
            if durability := self._durability_of(run, thread):
                more["durability"] = durability
        try:
            stands = input is STANDS
            end = End(stopped=True) if stands else await run_graph(graph, input, at, run, **more)
        finally:
            self._control = None
            self._contexts.leave()
        if end.drained is not None and self._winds_down:
            raise Unfinished
        accounts.tell(run)
        if end.stopped and thread is not None:
            # Before anybody looks: to LangGraph what it looks at is its own to change.
            await thread.keep(self.memory_key(thread_id), run.begun)
        asked = await self._asked(end, config) if end.stopped else ()
        if asked:
            run.conversation = run.conversation or thread_id
            key = self._context_key(run, thread_id)
            await self._contexts.keep(context, self.store, key, over=False)
            return Interrupted(asked)
        if end.drained is not None:  # by a node, and nothing is kept from which it could go on
            raise end.drained
        if thread is not None:
            await thread.finish()
        await self._contexts.keep(context, self.store, key, over=True)
        return self._untracked.told(end.output)

    async def open_interrupts(self, conversation: str) -> Sequence[Mapping[str, Any]]:
        """What the thread of `conversation` waits for: interrupts of its nodes, or a breakpoint."""
        graph = self._graph
        if not isinstance(graph, Pregel) or not graph.checkpointer:
            return ()
        if self._saver is not None:
            self._open(self._saver, self.memory_key(conversation))
        config: RunnableConfig = {"configurable": {"thread_id": conversation}}
        if self._saver is None and self.durable:
            config = await OwnThread(self.store, self._note_key(conversation)).stands(graph, config)
        return questions(await graph.aget_state(config, subgraphs=True))

    async def shorten_kept(self, conversation: str, longest: int) -> None:
        """Leave the newest messages of a thread that no run uses, unless it waits for a human."""
        graph, saver = self._graph, copy.copy(self._saver)  # the other one is lent to a run
        if saver is None or not isinstance(graph, Pregel):
            return
        lent = RunThread(self.store, self.memory_key(conversation), saver.serde)
        saver._lend(lent)
        config: RunnableConfig = {"configurable": {"thread_id": conversation}}
        looking = copy_of(graph, checkpointer=saver)
        thread = await lent.open()
        if thread.kept is None or Remembering(self).may_be_used_elsewhere(thread.kept):
            return
        if not questions(await looking.aget_state(config, subgraphs=True)):
            thread.shorten(longest)
            if thread.changes != thread.saved:
                await lent.keep()

    def shape(self) -> Iterable[Part]:
        """The nodes, edges and channels of the graph, and the tools that it names."""
        return shape_of(self.subject)

    async def began_with(self, run: Run) -> Mapping[str, Any] | None:
        """What is kept with the question that the message answers: with its thread, or the note beside a user's."""
        assert self._inputs is not None
        if run.conversation is None or not self._inputs.answers(run):
            return None
        if self._saver is None:
            return await OwnThread(self.store, self._note_key(run.conversation)).asked()
        key = self.memory_key(run.conversation)
        return (await RunThread(self.store, key, self._saver.serde).open()).begun

    def check_answer(self, question: Mapping[str, Any], answer: Any) -> None:
        """Refuse what does not fit the question's `response_schema`, and what says nothing to a breakpoint."""
        assert self._inputs is not None
        self._inputs.check(question, answer)

    recorded = staticmethod(recorded_result)

    def key_of_step(self) -> str | None:
        """One visit of one node, or one tool call of it: the same when it is run again."""
        return key_of_step()

    def wind_down(self) -> None:
        """The graph stops when the step it is in is over."""
        self._winds_down = True
        if self._control is not None:
            self._control.request_drain(f"the agent {self.name!r} is ending")

    def _memory_is_lost(self) -> str | None:
        """When what only this process holds is lost to the graph, in words."""
        if (node := self.node_name) != "root":
            return f"when the process {node!r} dies"
        if self.is_built:
            return "when the agent is started again, as the function that builds the graph makes a new one"
        return None

    def _keeping_checkpoints(self, graph: Graph) -> Graph:
        """The graph with a checkpointer that keeps its threads: that of the user, or one over the StateStore."""
        if not isinstance(graph, Pregel):
            return graph
        saver: Any = graph.checkpointer
        classes = classes_of(graph) | self._state_classes
        if saver is None:
            serde = JsonPlusSerializer(allowed_msgpack_modules=classes)
            saver = self._saver = StateStoreSaver(
                self.store, "", history=self._history, serde=serde
            )
            saver._untracked = self._untracked
        elif isinstance(saver, BaseCheckpointSaver):
            saver = copy.copy(saver)  # the graph that was given is never changed
            if isinstance(saver, StateStoreSaver):
                saver = saver.with_allowlist(classes)
                saver.store = PatientStore(saver.store, self.name)
            else:
                name_unwritable(saver)
            AsItWas.lend(saver)
        else:
            return graph
        keep_questions_open(saver)
        if self.durable:
            assert self._contexts is not None
            self._contexts.keep_with_steps(saver)
            self._in_turn.watch(saver)
            if self._saver is None:
                self._in_turn.writes_first(saver, self.store, self.recorded_with)
        return copy_of(graph, checkpointer=saver)

    async def _asked(self, end: End, config: RunnableConfig) -> Sequence[Mapping[str, Any]]:
        """What a run that stopped waits for."""
        graph = self._graph
        if isinstance(graph, Pregel) and graph.checkpointer:
            return questions(await graph.aget_state(config, subgraphs=True))
        return [{"id": each.id, "value": each.value} for each in end.interrupts]

    def _durability_of(self, run: Run, thread: RunThread | OwnThread | None) -> Durability | None:
        if run.durable:
            return "sync"
        return "exit" if isinstance(thread, RunThread) else self._durability

    def _context_key(self, run: Run, thread_id: str) -> str | None:
        """The key under which the context of the run's conversation is kept."""
        if run.conversation is None:
            return None
        return f"civitas:context:{self.memory_key(thread_id)}"

    def _note_key(self, thread_id: str) -> str:
        return NOTE + self.memory_key(thread_id)

    def _thread_of(
        self, run: Run, given: RunnableConfig
    ) -> tuple[str, RunThread | OwnThread | None]:
        """The id of the run's thread, and what keeps it; None if that is left to the user's own checkpointer."""
        message, configured = run.message, given.get("configurable", {})
        known = run.conversation or configured.get("thread_id")
        if self._saver is None:
            if known is not None and run.durable:
                beside = self.recorded_with()
                return known, OwnThread(self.store, self._note_key(known), run, beside)
            if known is None and run.durable:
                known = message.id
            # No conversation, no memory: a thread nobody else has, and no attempt before this one.
            alone = f"{message.id}-{message.attempt}" if message.attempt else message.id
            return known or alone, None
        key = self.memory_key(known) if known is not None else None
        return known or message.id, self._open(self._saver, key, run)

    def _open(self, saver: StateStoreSaver, key: str | None, run: Run | None = None) -> RunThread:
        durable = run is not None and run.durable
        passing = self.passing_key("thread") if durable else None
        thread = RunThread(
            self.store,
            key,
            saver.serde,
            passing=passing,
            run=run,
            longest=self.longest,
            beside=self.recorded_with if durable else None,
            pins=durable and self.on_change is OnChange.RESTART,
        )
        saver._lend(thread)
        return thread

    def _run_config(
        self, given: RunnableConfig, thread_id: str, run: Run, accounts: Accounts
    ) -> RunnableConfig:
        """The user's configuration, and what belongs to one run."""
        configurable = {**given.get("configurable", {})}
        if run.conversation is not None or getattr(self._graph, "checkpointer", None):
            configurable["thread_id"] = thread_id
        if run.durable:
            configurable[MESSAGE] = run.message.id
        config: RunnableConfig = {**given}
        if configurable:
            config["configurable"] = configurable
        listening: list[Any] = [*spent_by(run), accounts, *([self._in_turn] if run.durable else [])]
        if run.spans is not None:
            from civitas_langgraph._spans import GraphSpans

            listening.append(GraphSpans(run.spans))
        return merge_configs(config, {"callbacks": listening})
