"""What a user gets who says nothing: the keywords in the signatures, and the defaults behind them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from civitas import AgentProcess, ConversationPool, DynamicSupervisor, Runtime, Supervisor

RESTARTS = {
    "max_restarts": 3,
    "restart_window": 60.0,
    "backoff": "exponential",
    "backoff_base": 0.01,
    "backoff_max": 60.0,
    "restart": "permanent",
}


@pytest.mark.promise(id="SEM-122")
@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (
            AgentProcess.__init__,
            {
                "mailbox_size": 1000,
                "restart": "permanent",
                "shutdown_timeout": 30.0,
                "max_retries": 3,
                "handle_timeout": None,
                "cancel_on_timeout": False,
                "delivery": "at_most_once",
                "max_deliveries": 3,
            },
        ),
        (AgentProcess.send, {"message_type": "message", "timeout": 30.0}),
        (AgentProcess.ask, {"message_type": "message", "timeout": 30.0}),
        (AgentProcess.stream, {"message_type": "message", "timeout": 30.0}),
        (AgentProcess.emit, {"message_type": "chunk"}),
        (AgentProcess.reply, {"message_type": "reply"}),
        (Supervisor, {"children": (), "strategy": "one_for_one", **RESTARTS}),
        (DynamicSupervisor, {"max_children": None, **RESTARTS}),
        (ConversationPool, {"idle_timeout": 600.0, "max_live": 1000}),
        (Runtime, {"transport": "in_process", "name": "civitas", "drain_timeout": 30.0}),
    ],
)
def test_the_defaults_are_those_that_are_written_down(
    what: Callable[..., Any], expected: dict[str, Any]
) -> None:
    parameters = inspect.signature(what).parameters
    assert {name: parameters[name].default for name in expected} == expected
