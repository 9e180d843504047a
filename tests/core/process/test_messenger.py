"""An agent and the runtime talk alike, and each says what that promises."""

from __future__ import annotations

import inspect

import pytest

from civitas import AgentProcess, Runtime, errors


@pytest.mark.parametrize("kind", [AgentProcess, Runtime])
def test_whoever_looks_at_ask_reads_every_error_it_can_meet(kind) -> None:
    text = inspect.getdoc(kind.ask) or ""
    met = ["UnknownAgent", "AskTimeout", "HandlerFailed", "NoReply", "AgentTerminated", "NodeDown"]
    for error in [*met, "MailboxFull", "AskCycle", "PayloadError", "ConfigurationError"]:
        assert f"{error}: " in text
        assert hasattr(errors, error)
    assert "late reply" in text


@pytest.mark.parametrize("name", ["send", "ask", "stream", "broadcast"])
@pytest.mark.parametrize("kind", [AgentProcess, Runtime])
def test_every_argument_is_described(kind, name) -> None:
    method = getattr(kind, name)
    text = inspect.getdoc(method) or ""
    for parameter in inspect.signature(method).parameters:
        assert parameter == "self" or f"\n    {parameter}: " in text
    assert "Raises:" in text


@pytest.mark.parametrize("name", ["send", "ask", "stream", "broadcast"])
def test_an_agent_and_the_runtime_take_the_same_arguments(name) -> None:
    assert inspect.signature(getattr(AgentProcess, name)) == inspect.signature(
        getattr(Runtime, name)
    )
