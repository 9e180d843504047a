"""The peers: what each is asked to do, how it is set up, and why it does better where it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["PEERS", "Peer"]


@dataclass(frozen=True)
class Peer:
    """Something that people use for the same work.

    Attributes:
        name: Of its program, its pins in `constraints/` and its environment.
        title: What people call it.
        works: What it is asked to do; the rest it does not offer.
        setup: How it is configured, and what it promises to have on the disk.
        python: The oldest Python that it runs on.
        inside: It is part of the environment of Civitas.
        npm: Packages of npm, with their versions.
        debian: A package of Debian, unpacked beside the rest where the system does not have the command.
        why: By work, why it does better than Civitas there.
        without: By work, why it is not asked to do that, where somebody might expect it.
    """

    name: str
    title: str
    works: tuple[str, ...]
    setup: str
    python: str = "3.11"
    inside: bool = False
    npm: tuple[str, ...] = ()
    debian: str = ""
    why: Mapping[str, str] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)


_NO_COPY = "It hands over the object itself, where Civitas makes a copy, so that no agent changes what another one has."
_MESSAGES = ("ask", "send", "crowd", "start")

OURS = Peer(
    "civitas",
    "Civitas",
    (
        *_MESSAGES,
        "restart",
        "far-ask",
        "far-send",
        "kill",
        "steps",
        "many-steps",
        "recover",
        "graph-steps",
        "tool-calls",
    ),
    "its defaults; another process is reached over ZMQ; durable agents over SQLite, a write-ahead log with "
    "`synchronous=FULL`: each step is on the disk before the next begins",
    inside=True,
)

_DURABLE = ("steps", "many-steps", "recover")
_COMPILED = (
    "Erlang compiles to machine code and has its own scheduler; most of what Civitas takes for a message is "
    "Python: the event loop, two coroutines and a future."
)

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        OURS,
        Peer(
            "pykka",
            "pykka",
            _MESSAGES,
            "`ThreadingActor`: each actor is a thread, and a message is handed over as it is, without a copy",
            why={
                "ask": _NO_COPY,
                "send": f"{_NO_COPY} Its mailbox has no bound either, so a sender never waits.",
                "crowd": _NO_COPY,
                "start": "An actor is a thread and a queue there: it has no supervisor, no name that others "
                "find it by, and nobody waits until it says that it has started.",
            },
            without={"restart": "it restarts nothing"},
        ),
        Peer(
            "thespian",
            "Thespian",
            ("ask", "send", "start", "far-ask", "far-send"),
            "`simpleSystemBase` in one process, without a copy of the message; `multiprocTCPBase` for an "
            "actor in another one",
            why={
                "ask": f"Its `simpleSystemBase` calls the actor in the thread that asks. {_NO_COPY}",
                "start": "Its `simpleSystemBase` makes an object, and calls it in the thread that asks: it "
                "has no supervisor and no task of its own.",
            },
            without={
                "crowd": "its `ask` blocks the thread that asks",
                "restart": "an actor that raises goes on as it is, and gets the message once more",
                "kill": "it tells the creator of an actor that its process is gone, and restarts nothing",
            },
        ),
        Peer(
            "xoscar",
            "Xoscar",
            (*_MESSAGES, "far-ask", "far-send", "kill"),
            "a pool of a main process and one more, on uvloop, which it chooses by itself; no copy of the "
            "message within a process; processes that die are restarted, as is its default",
            why={
                "far-ask": "Its processes write to a Unix socket in the thread that asks, and the other one "
                "has an event loop in C (uvloop). With Civitas a frame passes through an I/O thread of ZMQ "
                "in each process, there and back, over TCP.",
            },
            without={"restart": "it restarts processes, but not an actor that raises"},
        ),
        Peer(
            "otpylib",
            "otpylib",
            (*_MESSAGES, "restart"),
            "`gen_server` and `supervisor` on its asyncio backend; messages are not copied",
            why={
                "restart": "It writes no traceback, keeps no history of crashes, and tells nobody: the "
                "caller of a server that crashes waits for its own timeout.",
            },
        ),
        Peer(
            "earlier",
            "civitas 0.12, the earlier package of that name",
            (*_MESSAGES, "restart"),
            "its defaults, with `backoff_base=0`; on Python 3.12, the oldest that it runs on",
            python="3.12",
            without={"steps": "it has checkpoints, and no durable steps"},
        ),
        Peer(
            "erlang",
            "Erlang/OTP",
            (*_MESSAGES, "restart"),
            "`gen_server` and `supervisor`, compiled just in time; messages are copied",
            debian="erlang-base",
            why=dict.fromkeys((*_MESSAGES, "restart"), _COMPILED),
        ),
        Peer(
            "ray",
            "Ray",
            ("start", "far-ask", "far-send", "kill"),
            "a system of its own on this machine, with no dashboard and without its usage statistics; each "
            "actor is an OS process, with `max_restarts=-1` and `max_task_retries=-1` where it is killed",
            without={
                "ask": "each of its actors is an OS process, as below",
                "restart": "an actor that raises goes on as it is; the process of one is killed below",
            },
        ),
        Peer(
            "langgraph",
            "LangGraph alone",
            ("graph-steps",),
            '`AsyncSqliteSaver` with `durability="sync"`: each step is on the disk before the next',
            inside=True,
            why={
                "graph-steps": "It keeps the state of the graph and nothing of who asked. Civitas also keeps "
                "the message before it is handled, and the answer, so that both outlive a kill."
            },
        ),
        Peer(
            "dbos",
            "DBOS",
            (*_DURABLE, "tool-calls"),
            "SQLite, its default, with a rollback journal and `synchronous=FULL`: each step is on the disk "
            "before the next; "
            "its database is looked at every 0.05 s for what to do and for results, where the default is 1 "
            "s; a process that is killed is started again at once",
        ),
        Peer(
            "letitloop",
            "letitloop",
            (*_DURABLE, "graph-steps"),
            "`durable_async`: a folder for each run, to whose log each step is appended, with `fsync`, "
            "before the next begins",
            why={
                "steps": "It appends a line to a log that only this run has, in the thread of the event "
                "loop, which stands still until the disk has it. Civitas writes in another thread, so that "
                "all other agents go on, and that costs two switches of threads for each step; runs that are "
                "under way at once share commits instead.",
            },
        ),
        Peer(
            "restate",
            "Restate",
            (*_DURABLE, "tool-calls"),
            "its server with its defaults (a log that is flushed before a step counts), and a service with "
            "its Python SDK, served by Hypercorn; its `DurableRunner` takes a model by name, so the scripted "
            "one answers the client of `openai`, in memory, which the others do not pass",
            npm=("@restatedev/restate-server@1.7.12",),
            without={
                "graph-steps": "its integration is one for the agents of LangChain, and for no other graph"
            },
            why={
                "steps": "Its server is compiled, and writes its log while the service goes on with what "
                "does not depend on it; Civitas does all of it in Python.",
                "recover": "Its server tries again after pauses, until the service listens: if it tries just "
                "then, the run goes on at once.",
            },
        ),
        Peer(
            "temporal",
            "Temporal",
            (*_DURABLE, "graph-steps", "tool-calls"),
            "its development server with a file of SQLite, flushed at each commit; a step is an activity, as are "
            "a node and a call of a model or a tool with its plugins for LangGraph and the SDK, and one worker "
            "runs all; "
            "a worker that is killed is started again at once, but what it had begun is tried again when its "
            "`start_to_close_timeout` is over, 10 s here as in its examples",
        ),
    )
}
