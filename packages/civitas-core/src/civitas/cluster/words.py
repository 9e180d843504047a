"""The one table of what nodes say to each other: the shape of each frame, of each call and its result, of each cast."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from civitas.cluster.frames import Kind
from civitas.cluster.shapes import (
    ANY,
    BURIED,
    BYTES,
    COUNT,
    COUNTS,
    DOING,
    DOINGS,
    ERROR,
    EVENT,
    FACTS,
    FIGURES,
    FLAG,
    GLANCE,
    MAP,
    MAYBE_MOMENT,
    MAYBE_TEXT,
    MOMENT,
    NOTHING,
    PARCEL,
    PATH,
    REASON,
    REPORT,
    SPANS,
    TEXT,
    TEXTS,
    TEXTS_BY_TEXT,
    VALUES,
    Shape,
)

__all__ = ["CALLS", "CASTS", "FRAMES", "RESULTS"]

FRAMES: Mapping[int, Shape] = MappingProxyType(
    {
        # By which nodes meet; a seal stands behind these.
        Kind.HELLO: Shape(MAP),
        Kind.WELCOME: Shape(MAP),
        Kind.REFUSED: Shape(TEXT, ANY, optional=1),  # why, the seal
        Kind.INTRODUCE: Shape(TEXT, TEXT),  # name, address
        Kind.LATER: Shape(TEXT),  # who has its place
        # The name, the message, its asker, to how many incarnations it was given, the node of that asker, whether to
        # say when it is held, whether the asker is being stopped.
        Kind.MESSAGE: Shape(TEXT, BYTES, MAYBE_TEXT, COUNT, TEXT, FLAG, FLAG),
        Kind.ANSWER: Shape(TEXT, BYTES),  # the id of the request, the reply
        Kind.REFUSAL: Shape(TEXT, ERROR),  # the id of the request, the error
        Kind.SETTLED: Shape(TEXTS),  # ids
        Kind.WITHDRAW: Shape(TEXT, TEXT, FLAG),  # the agent, the id, whether it read a stream
        Kind.CHUNK: Shape(TEXT, BYTES),  # the id of the request, the chunk
        Kind.CHUNKS: Shape(TEXT, BYTES),  # the id of the request, the chunks
        Kind.ROOM: Shape(TEXT, COUNT),  # the id of the request, how many were taken
        Kind.PROBE: Shape(
            TEXT, TEXT, PATH, TEXT
        ),  # the ask, the node of its asker, the way, the edge
        Kind.PARCEL: Shape(TEXT, PARCEL),  # whom it is for, by boot id
        Kind.HOLD: Shape(BYTES),  # the message
        Kind.CALL: Shape(COUNT, TEXT, VALUES),  # its id, what to do, the arguments
        Kind.RETURN: Shape(
            COUNT, FLAG, ANY
        ),  # the id of the call, whether it succeeded, the result or the error
        Kind.CAST: Shape(TEXT, VALUES),  # what to do, the arguments
        Kind.CANCEL: Shape(COUNT),  # the id of the call
        Kind.HELD: Shape(TEXTS),  # ids
    }
)

CALLS: Mapping[str, Shape] = MappingProxyType(
    {
        # Of anybody.
        "awaits": Shape(TEXT),  # the id of a message
        "line": Shape(TEXT, TEXT, COUNT),  # the address of a mailbox, the conversation, a number
        # Of the root.
        # A message, its asker, and the seconds to wait for room.
        "accept": Shape(BYTES, MAYBE_TEXT, MAYBE_MOMENT),
        "recorded": Shape(TEXT),  # the id of a message
        "bury": Shape(BURIED),  # of each dead letter the reason, the time, the message
        "keep_timer": Shape(
            TEXT, BYTES, MOMENT
        ),  # its id, the message, the seconds until it is sent
        "cancel_timer": Shape(TEXT),
        "leave": Shape(),
        "succeeds": Shape(),
        "meet": Shape(TEXT),  # the boot id of another node
        "renew": Shape(TEXT),  # the agent
        "take_in_hand": Shape(TEXT, FLAG),  # the id of a message, whether the broker keeps it
        "whereis": Shape(TEXTS),  # names
        "matching": Shape(TEXT),  # a pattern
        "spawn": Shape(TEXT, MAYBE_TEXT, MAP),  # the sender, the supervisor, the recipe
        "chat": Shape(BYTES),
        "tool": Shape(BYTES),
        "store": Shape(TEXT, BYTES),  # which method, its arguments
        "terminate": Shape(TEXT, TEXT),  # the sender, the agent
        "monitor": Shape(TEXT, TEXT, TEXT, optional=1),  # the watcher, whom it watches, a reference
        "demonitor": Shape(TEXT),
        # Of which budget, how much at least, and how much once what is lent of it was called back.
        "lease": Shape(VALUES, VALUES, VALUES),
        "raise_budget": Shape(VALUES, VALUES),  # which, by how much
        "budget_back": Shape(VALUES, VALUES, FLAG),  # of which, how much, whether it is over
        "control": Shape(BYTES),  # a request of somebody outside the system
        "edge": Shape(),
        "started": Shape(),
        "answers": Shape(TEXTS),  # the ids of messages that were sent by a root which led before
        # Of a member.
        "look": Shape(MOMENT),  # the version that is known
        # The agent, and for how many seconds to look where its time goes.
        "inspect": Shape(TEXT, MAYBE_MOMENT, optional=1),
        "pause": Shape(TEXT, FLAG),  # the agent, whether it is to take no messages
        "awake": Shape(TEXT),  # the pool
        "start": Shape(TEXT, COUNT, MAP),  # the agent, the number of its run, how to make it
        "hosted": Shape(),
        "stop": Shape(TEXT, TEXT),  # the agent, why
        "terminate_child": Shape(TEXT, TEXT),  # the pool, the conversation
        "recycle": Shape(TEXT, TEXT),
        "alive": Shape(TEXT),
        "until_down": Shape(TEXT),  # the agent
        "recall": Shape(TEXT),  # the key of a budget
        "drain": Shape(),
        "rest": Shape(),
        "interrupt": Shape(),
        "passes": Shape(),
        # The agent, its mailbox, how often messages were given, and those that had been finished.
        "read": Shape(TEXT, TEXT, COUNTS, COUNTS),
    }
)

RESULTS: Mapping[str, Shape] = MappingProxyType(
    {
        "awake": Shape(TEXTS),
        "look": Shape(GLANCE),
        "inspect": Shape(MAP),
        "whereis": Shape(TEXTS_BY_TEXT),  # the closest names to each that nobody has
        "matching": Shape(TEXTS),
        "chat": Shape(BYTES),
        "tool": Shape(BYTES),
        "store": Shape(BYTES),
        "control": Shape(BYTES),
        "started": Shape(FLAG),
        "answers": Shape(
            VALUES
        ),  # of each that is decided its id, whether it is a reply, the answer
        "edge": Shape(MAP),  # where callers are let in
        "passes": Shape(NOTHING),
        "succeeds": Shape(
            FLAG
        ),  # whether another process stands by, and answers what this one does not
        "terminate": Shape(FLAG),
        "monitor": Shape(TEXT),
        "lease": Shape(VALUES),
        "recall": Shape(VALUES),
        "start": Shape(MAP),
        "hosted": Shape(MAP),
        "alive": Shape(FLAG),
        "drain": Shape(FLAG),
        "rest": Shape(FLAG),
        "interrupt": Shape(FLAG),
        "renew": Shape(COUNTS),
        "awaits": Shape(FLAG),
        "line": Shape(VALUES),
        **{
            each: Shape(NOTHING)
            for each in (
                "accept",
                "bury",
                "recorded",
                "keep_timer",
                "cancel_timer",
                "leave",
                "take_in_hand",
                "spawn",
                "demonitor",
                "budget_back",
                "raise_budget",
                "stop",
                "read",
                "meet",
                "pause",
                "until_down",
            )
        },
        **{each: Shape(NOTHING) for each in ("terminate_child", "recycle")},
    }
)

CASTS: Mapping[str, Shape] = MappingProxyType(
    {
        # To the root.
        "exited": Shape(TEXT, COUNT, REASON),  # the agent, the number of its run, why
        "left": Shape(),
        "unreachable": Shape(TEXT),  # the boot id of the node
        "unreadable": Shape(TEXT, TEXT),  # the boot id of the node that sent it, why
        "drop": Shape(TEXT),  # the id of a message
        "gave_up": Shape(
            TEXT, FLAG
        ),  # the id of a message, whether it was a stream that is not read any more
        "put_back": Shape(TEXT),
        "event": Shape(EVENT, TEXT, TEXT, TEXT, TEXT, MOMENT),
        "spans": Shape(SPANS, FLAG),
        "figures": Shape(FIGURES, FLAG, optional=1),  # whether its sender exports them itself
        "report": Shape(REPORT),
        "doing": Shape(DOINGS),
        "did": Shape(DOING),
        "let_go": Shape(TEXTS),  # names that it does not know any more
        "fetched": Shape(TEXTS),  # the ids of messages whose answers have arrived
        # To a member.
        "facts": Shape(FACTS),
        "forget": Shape(TEXT),
        "met": Shape(TEXT, TEXT, TEXT),  # name, boot id, address
        "leaving": Shape(TEXT),
        "gone": Shape(TEXT, TEXT, COUNTS),  # boot id, why, what was in hand
        "hold": Shape(TEXT),
        "refuse_asks": Shape(TEXT, TEXT),  # the agent, why
        "close": Shape(TEXT, TEXT),
        "discard": Shape(TEXT),
        "settled": Shape(),
        "watch_is_over": Shape(TEXT),  # the reference of a monitor
        # Which spans, whether figures, also those that are exported elsewhere.
        "record": Shape(TEXT, FLAG, FLAG, optional=1),
        "tools": Shape(VALUES),  # name, description and parameters of each
        "handed_over": Shape(),
        "stopping": Shape(),
        "end": Shape(),
    }
)
