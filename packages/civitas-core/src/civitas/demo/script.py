"""What the demo's scripted model says."""

from __future__ import annotations

from typing import Any

from civitas.demo.model_server import Answer, ToolCall

__all__ = ["TASK", "answer"]

TASK = "Why did telephone switches written in Erlang stay up, although their programs had errors?"

_QUESTIONS = (
    "What does a supervisor do when a process dies?\n"
    "How did the makers of a large telephone switch treat errors?"
)
_DRAFT = (
    "Telephone switches written in Erlang stayed up because nobody counted on programs without "
    "errors. Ericsson's AXD301 had more than a million lines of code, and a process in it that "
    "failed was simply left to crash. Beside it stood a supervisor, a process with no other work "
    "than to watch: it started the dead one afresh, and where that did not help, it handed the "
    "trouble to the supervisor above. So an error cost one call, and never the switch."
)
_EDITED = (
    "Because nobody counted on programs without errors. Ericsson's AXD301 ran more than a million "
    "lines of Erlang, and a process in it that failed was left to crash. Its supervisor, which did "
    "nothing but watch, started it afresh, or handed the trouble to the supervisor above. An error "
    "cost one call, never the switch."
)


def answer(body: dict[str, Any]) -> Answer:
    """The scripted answer to one request of the demo's planner, researcher or writer."""
    messages = body["messages"]
    said = " ".join(str(message.get("content")) for message in messages)
    if "You plan research" in said:
        return _QUESTIONS
    if messages[-1]["role"] == "tool":
        note = str(messages[-1]["content"])
        return note.replace("A supervisor is a process", "It is a process")
    if body.get("tools"):
        word = "supervisor" if "supervisor" in said else "switch"
        return ToolCall(body["tools"][0]["function"]["name"], {"words": word})
    return _EDITED if "Edit the paragraph" in said else _DRAFT
