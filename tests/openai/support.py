"""A model that answers with items of any kind, for what no chat completion can say."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from agents import Model, ModelResponse, Usage
from openai.types.responses import (
    ResponseApplyPatchToolCall,
    ResponseComputerToolCall,
    ResponseCustomToolCall,
    ResponseFunctionShellToolCall,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)
from openai.types.responses.response_output_item import LocalShellCall
from pydantic import TypeAdapter

__all__ = ["Says", "computer", "custom", "function", "local_shell", "patch", "said", "shell"]

Answer = str | list[Any]


class Says(Model):
    """Answers by a script: one answer after the other, or a function from the input to the answer.

    Attributes:
        inputs: What it was asked, each time.
    """

    def __init__(self, script: Iterable[Answer] | Callable[[Any], Any]) -> None:
        self._script = script if callable(script) else iter(script)
        self.inputs: list[Any] = []

    async def get_response(  # type: ignore[override]
        self, system: Any, input: Any, *more: Any, **named: Any
    ) -> Any:
        self.inputs.append(input)
        answer = self._script(input) if callable(self._script) else next(self._script)
        if inspect.isawaitable(answer):
            answer = await answer
        items = [said(answer)] if isinstance(answer, str) else answer
        used = Usage(requests=1, input_tokens=5, output_tokens=2, total_tokens=7)
        return ModelResponse(items, used, None)

    def stream_response(self, *arguments: Any, **named: Any) -> Any:
        raise NotImplementedError


def said(text: str) -> ResponseOutputMessage:
    part = ResponseOutputText(text=text, type="output_text", annotations=[])
    return ResponseOutputMessage(
        id="m", content=[part], role="assistant", status="completed", type="message"
    )


def _item(kind: Any, **fields: Any) -> Any:
    return TypeAdapter(kind).validate_python({"status": "completed", **fields})


def function(name: str, id: str, arguments: str = "{}") -> Any:
    return ResponseFunctionToolCall(
        name=name, call_id=id, arguments=arguments, type="function_call"
    )


def custom(name: str, id: str, text: str) -> Any:
    return ResponseCustomToolCall(name=name, call_id=id, input=text, type="custom_tool_call")


def shell(id: str, *commands: str) -> Any:
    return _item(
        ResponseFunctionShellToolCall,
        id=f"s{id}",
        call_id=id,
        type="shell_call",
        action={"commands": list(commands), "timeout_ms": 1000, "max_output_length": None},
        environment=None,
    )


def local_shell(id: str, *command: str) -> Any:
    action = {"type": "exec", "command": list(command), "env": {}}
    return _item(LocalShellCall, id=f"l{id}", call_id=id, type="local_shell_call", action=action)


def patch(id: str, path: str, diff: str) -> Any:
    operation = {"type": "create_file", "path": path, "diff": diff}
    return _item(
        ResponseApplyPatchToolCall,
        id=f"p{id}",
        call_id=id,
        type="apply_patch_call",
        operation=operation,
    )


def computer(id: str, *actions: dict[str, Any]) -> Any:
    return _item(
        ResponseComputerToolCall,
        id=f"c{id}",
        call_id=id,
        type="computer_call",
        actions=list(actions),
        pending_safety_checks=[],
    )
