"""Questions to a human, from a run that stops for approvals, and the answers, for a run that goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from agents import Agent, RunContextWrapper, RunState
from agents.exceptions import UserError
from agents.items import ToolApprovalItem
from agents.result import RunResult
from agents.version import __version__ as sdk

from civitas.errors import ConfigurationError
from civitas.frameworks import Interrupted
from civitas_openai._folded import fold, unfold
from civitas_openai._servers import agents_of
from civitas_openai._tool_calls import arguments_of, name_of, raw

__all__ = ["answered", "interrupted", "read_answer", "refuse_too_deep"]

_FORM = 2
"""Of what is saved. In the first, the SDK's state was saved as it is."""
_TAKES = (
    'an approval takes True, False or {"approve": True or False, "message": text for the model}'
)


def interrupted(result: RunResult, session: bool, items: list[Any]) -> Interrupted:
    """The interrupt for a run that stopped.

    Args:
        result: What the run returned.
        session: Whether a session keeps its items.
        items: What is kept of the conversation beside it, and need not be kept twice.
    """
    # What the tools get as context stays where it is: it is the user's object, and is handed in again.
    state = result.to_state().to_json(context_serializer=lambda context: {})
    state["context"]["context"] = None
    begin = state["original_input"]
    for item in begin if isinstance(begin, list) else ():
        # The SDK makes parts of an assistant's plain text, in a form that it then does not read everywhere.
        if set(item) == {"role", "content", "status"} and len(item["content"]) == 1:
            (part,) = item["content"]
            if isinstance(part, dict) and set(part) == {"type", "text"}:
                item["content"] = part["text"]
                del item["status"]
    # The SDK has the conversation in it, and each call up to five times.
    saved = {"form": _FORM, "state": fold(state, items), "sdk": sdk, "session": session}
    return Interrupted([_question(each) for each in result.interruptions], saved)


def read_answer(
    given: Any, path: str, refuse: Callable[[str, str], NoReturn]
) -> tuple[bool, str | None]:
    """Whether the human approves, and what to tell the model if not."""
    if isinstance(given, bool):
        return given, None
    if not isinstance(given, Mapping) or not isinstance(given.get("approve"), bool):
        refuse(path, f"{_TAKES}; got {given!r}")
    for key in given:
        if key not in ("approve", "message"):
            refuse(f"{path}.{key}", f"there is no such key; {_TAKES}")
    message = given.get("message")
    if message is not None and not isinstance(message, str):
        refuse(f"{path}.message", f"text is needed, got {message!r}; {_TAKES}")
    return given["approve"], message


async def answered(
    name: str,
    agent: Agent[Any],
    context: Any,
    saved: Mapping[str, Any],
    items: list[Any],
    answers: Mapping[str, tuple[bool, str | None]],
) -> RunState[Any, Agent[Any]]:
    """The state from which the run goes on.

    Args:
        name: Of the Civitas agent.
        agent: The SDK agent that the run began with.
        context: What its tools get.
        saved: `Interrupted.saved`.
        items: What is kept of the conversation, as when it was interrupted.
        answers: As `read_answer` made them, by the id of the interrupt.

    Raises:
        ConfigurationError: The state cannot be read here.
    """
    try:
        state = await RunState.from_json(
            agent, _state_in(name, saved, items), context_override=RunContextWrapper(context)
        )
    except UserError as error:
        raise ConfigurationError(
            f"{name!r} cannot go on with this run: it was interrupted under openai-agents {saved['sdk']}, and "
            f"{sdk} runs here, perhaps with other agents: {error}. The interrupt stays open: answer it where it can be "
            "read, or send a new message"
        ) from error
    for item in state.get_interruptions():
        told = answers.get(_id(item))
        if told is None:
            continue
        approved, message = told
        if approved:
            state.approve(item)
        else:
            state.reject(item, rejection_message=message)
    return state


def _state_in(name: str, saved: Mapping[str, Any], items: list[Any]) -> dict[str, Any]:
    form = saved.get("form", 1)
    if form > _FORM:
        raise ConfigurationError(
            f"{name!r} cannot go on with this run: a newer civitas-openai interrupted it (form {form}, this one knows "
            f"{_FORM}). The interrupt stays open: answer it there, or send a new message"
        )
    state: dict[str, Any] = saved["state"]
    return state if form == 1 else unfold(state, items)


def _question(item: ToolApprovalItem) -> dict[str, Any]:
    value = {"name": name_of(item), "arguments": arguments_of(item.raw_item)}
    return {"id": _id(item), "value": value}


def _id(item: ToolApprovalItem) -> str:
    call = raw(item.raw_item)
    return str(call.get("call_id") or call.get("id"))


def refuse_too_deep(name: str, first: Agent[Any]) -> None:
    """Raise `ConfigurationError` for an approval that this SDK could ask for without ever accepting an answer.

    Args:
        name: Of the Civitas agent.
        first: The SDK agent it runs.
    """
    if not sdk.startswith("0.20."):
        return
    for agent in agents_of(first):
        for tool in agent.tools:
            outer = getattr(tool, "_agent_instance", None)
            below = () if outer is None else _tools_that_are_agents(outer)
            for asking in (each for inner in below for each in _asking(inner)):
                raise ConfigurationError(
                    f"{name!r}: {asking} needs approval inside an agent that is a tool of an agent that is a tool. "
                    f"openai-agents {sdk}, which runs here, asks for that again and again, whatever the answer; "
                    "this is fixed in 0.21 and newer"
                )


def _tools_that_are_agents(outer: Agent[Any]) -> list[Agent[Any]]:
    inner = [
        getattr(tool, "_agent_instance", None)
        for agent in agents_of(outer, tools=False)
        for tool in agent.tools
    ]
    return [agent for each in inner if each is not None for agent in agents_of(each)]


def _asking(agent: Agent[Any]) -> list[str]:
    """The tools of an agent that may need approval."""
    asking = [
        f"the tool {name_of(tool)!r} of {agent.name!r}"
        for tool in agent.tools
        if getattr(tool, "needs_approval", False) is not False
    ]
    return asking + [
        f"the MCP server {server.name!r} of {agent.name!r}"
        for server in agent.mcp_servers
        if getattr(server, "_needs_approval_policy", False)
    ]
