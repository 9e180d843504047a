"""What each key of a topology is for, in the words that editors show."""

from __future__ import annotations

from civitas.topology.grammar import (
    AgentEntry,
    ChildEntry,
    ConversationPoolEntry,
    ConversationsEntry,
    DynamicSupervisorEntry,
    EdgeEntry,
    HttpEntry,
    McpEntry,
    ProcessEntry,
    ProvidedEntry,
    ResultsEntry,
    RootEntry,
    RuntimeEntry,
    SupervisorEntry,
    Topology,
    TopologyEntry,
    TransportEntry,
)
from civitas.transport.nats import NatsCarrier
from civitas.transport.zmq import ZmqCarrier

__all__ = ["describe"]

_LIMITS = {
    "max_restarts": "How many restarts are allowed within restart_window; with one more, it gives up.",
    "restart_window": "Seconds in which restarts are counted.",
    "backoff": "How the wait before a restart grows: none, constant, linear or exponential.",
    "backoff_base": "Seconds of the first wait before a restart.",
    "backoff_max": "Seconds of the longest wait before a restart.",
    "restart": "When it is started again after it gave up: permanent (always), transient (unless it ended as it "
    "should), temporary (never).",
}

_BUDGET = {
    "budget_exceeded": "What happens when a budget is used up: refuse (whoever asked gets BudgetExceeded) or ask (a "
    "human is asked to raise it).",
}

_DESCRIPTIONS: dict[type[TopologyEntry], dict[str, str]] = {
    Topology: {
        "name": "Name of the system: prefix of subjects, sockets and its state folder.",
        "transport": "What carries messages between OS processes.",
        "state": "Where agents keep their state. Without it, in memory.",
        "model": "Becomes self.llm of every agent.",
        "tools": "Become self.tools of every agent.",
        "serializer": "Wire format between OS processes: msgpack or json.",
        "runtime": "Options of the runtime.",
        "conversations": "What of the conversations of adapters is kept; all, for ever, where nothing is said.",
        "results": "How long the answers of durable agents are kept; 24h where nothing is said.",
        "edge": "The ways by which programs outside reach the agents.",
        "prices": "What models cost: {MODEL: {in: 1.25, out: 10}}, US dollars for a million tokens.",
        "mcp": "MCP servers by name: each is supervised, and its tools are self.tools of every agent.",
        "processes": "OS processes that differ from the defaults, by name.",
        "supervision": "The root supervisor.",
    },
    TransportEntry: {
        "type": "in_process, zmq, nats, or what a plugin brings. "
        + " ".join(
            f"Of {name}, " + " ".join(f"{key}: {text}" for key, text in keys.items())
            for name, keys in (("zmq", ZmqCarrier().keys), ("nats", NatsCarrier.keys))
        ),
    },
    ProvidedEntry: {
        "type": "A built-in type (state: memory, sqlite, nats_kv) or that of a plugin; the other keys are keywords of "
        "its constructor. A relative path is relative to this file.",
    },
    RuntimeEntry: {
        "drain_timeout": "Seconds a stop waits for the mailboxes to empty.",
        "dead_letters": "How many messages that nobody will handle are kept, the newest ones; 0 for none.",
        "node_timeout": "Seconds after which an OS process that cannot be reached is down.",
    },
    EdgeEntry: {
        "http": "HTTP: the API of OpenAI, the agents, the runs, and whether the system is well.",
    },
    McpEntry: {
        "command": "The program and its arguments, as a list. It speaks over stdin and stdout.",
        "env": "Variables for it, such as the keys that it needs; of the root's it gets PATH, HOME and the like.",
        "cwd": "The folder that it starts in, relative to this file; by default this file's own.",
        "prefix": "Stands before the names of its tools.",
        "timeout": "Seconds that a call of a tool may take; null for no bound.",
        "start_timeout": "Seconds until it must have said which tools it has; null for no bound.",
    },
    HttpEntry: {
        "host": "Address that it listens at; others than that of this machine need a token.",
        "port": "Its port; 0 picks a free one.",
        "token": "What a caller must show, as Authorization: Bearer TOKEN. Write it as a variable.",
        "max_body": "Bytes of a request's body.",
    },
    ResultsEntry: {
        "keep": "How long an answer is kept for whoever asks for it: 24h, 90m, or seconds.",
    },
    ConversationsEntry: {
        "keep": "How long one is kept that nobody uses, such as 30d, 12h or seconds; for ever where it is not given.",
        "longest": "How many messages one keeps, the newest; of a crew, runs. All where it is not given.",
    },
    ProcessEntry: {
        "python": "Interpreter, or folder of a virtual environment; relative to this file.",
        "env": "Added to the environment of the process.",
        "cwd": "Working folder; relative to this file.",
        "start": "false: somebody else starts it, and the root waits for it.",
        "start_timeout": "Seconds in which it must be ready; null waits for ever.",
        "hang_timeout": "Seconds after which a stuck event loop is a crash; null for never.",
    },
    AgentEntry: {
        "name": "Address of the agent; unique in the system.",
        "type": "Its class: package.module.Class, package.module:Class, or a short name of a plugin.",
        "wrap": "Instead of type: an object of a framework, package.module:graph, or a function without arguments "
        "that builds one.",
        "args": "Keywords of the constructor that the class adds itself; they may also go beside type.",
        "process": "Name of the OS process it runs in.",
        "replicas": "How many OS processes run it behind one name; needs process.",
        "expose": "Whether clients of the Synadia Agent Protocol find and prompt it; needs a transport over NATS.",
        "mailbox_size": "How many messages its mailbox holds; when it is full, senders wait.",
        "restart": "When it is started again: permanent (always), transient (unless it ended as it should), "
        "temporary (never).",
        "shutdown_timeout": "Seconds it has to stop before it is cancelled; 0 cancels at once, null waits for ever.",
        "max_retries": "How often one message is tried again in place: by on_error, or after a failure of a framework.",
        "handle_timeout": "Seconds a handler may take; null for no limit.",
        "cancel_on_timeout": "Whether a handler is cancelled when whoever asked is gone.",
        "delivery": "at_most_once; at_least_once: what it was handling at a crash is handled again; durable: "
        "also after a kill of the whole program.",
        "max_deliveries": "How many incarnations are given one message, with at_least_once and durable.",
        "on_ambiguous": "What becomes of a call that a kill met before its result was recorded: repeat, or interrupt, "
        "which asks a human whether it happened; needs durable.",
        "schedule": "A cron expression, such as '*/5 * * * *': each time, it gets a message of type civitas.schedule.",
        "timezone": "The time zone of schedule, such as Europe/Berlin; UTC where nothing is said.",
        "every": "It is sent a message of type civitas.schedule each time that so long has passed: 10m, or seconds.",
        "missed": "The times that pass while the system does not run: once (one message for all of them), all (one for "
        "each) or skip.",
        "schedule_payload": "Payload of these messages; null for the time that each is due.",
        "budget": "What it may spend on models: {calls: 100, tokens: 50000, usd: 2, seconds: 600}, or some of these; "
        "per: conversation or message gives each its own.",
        **_BUDGET,
    },
    ConversationPoolEntry: {
        "name": "Address of the pool; its processes are NAME/CONVERSATION.",
        "idle_timeout": "Seconds without a message after which a conversation is put to sleep.",
        "max_live": "Conversations awake at once; beyond it the longest idle one sleeps first.",
        **{key: text for key, text in _LIMITS.items() if key != "restart"},
    },
    DynamicSupervisorEntry: {
        "name": "Name of the supervisor; unique in the system.",
        "max_children": "How many children it may have at once; null for no limit.",
        "budget": "What its children may spend on models together, as of an agent.",
        **_BUDGET,
        **_LIMITS,
    },
    SupervisorEntry: {
        "name": "Name of the supervisor; unique in the system.",
        "strategy": "Who is restarted with a child that crashed: one_for_one (it alone), one_for_all (all), "
        "rest_for_one (it and those after it).",
        "budget": "What all agents below it may spend on models together, as of an agent.",
        **_BUDGET,
        "children": "Its children in start order; they are stopped in reverse.",
        **_LIMITS,
    },
    RootEntry: {},
    ChildEntry: {
        "agent": "An agent: a class of agents (type), or the object of a framework (wrap).",
        "supervisor": "A supervisor and its children.",
        "dynamic_supervisor": "A supervisor whose children come at run time.",
        "conversation_pool": "A pool with a process of one agent for each conversation.",
    },
}


def describe(model: type[TopologyEntry], key: str) -> str:
    """What `key` of the mapping `model` is for."""
    for each in model.__mro__:
        text = _DESCRIPTIONS.get(each, {}).get(key)
        if text is not None:
            return text
    raise KeyError(f"{key!r} of {model.__name__} has no description; write one here")
