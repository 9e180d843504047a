"""The SDK's shells, patches, computers and custom tools, each call of which is made once."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from functools import wraps
from typing import Any

from agents import (
    ApplyPatchTool,
    AsyncComputer,
    Computer,
    ComputerProvider,
    ComputerTool,
    CustomTool,
    LocalShellTool,
    ShellCallOutcome,
    ShellCommandOutput,
    ShellResult,
    ShellTool,
)
from agents.editor import ApplyPatchResult
from agents.tracing import function_span

from civitas_openai._once import Scope, scope
from civitas_openai._results import dump_result, load_result
from civitas_openai._tool_calls import arguments_of, name_of, raw

__all__ = ["watch_native"]

_ACTIONS = frozenset(AsyncComputer.__abstractmethods__) - {"environment", "dimensions"}


def watch_native(tool: Any) -> Any:
    """A copy of `tool` that makes each call once; what the provider runs itself stays as it is."""
    copied: Any
    if isinstance(tool, CustomTool):
        copied = copy.copy(tool)
        copied.on_invoke_tool = _custom(tool)
        return copied
    if isinstance(tool, ShellTool) and tool.executor is not None:
        copied = copy.copy(tool)
        copied.executor = _shell(tool)
        return copied
    if isinstance(tool, LocalShellTool):
        copied = copy.copy(tool)
        copied.executor = _local_shell(tool)
        return copied
    if isinstance(tool, ApplyPatchTool):
        copied = copy.copy(tool)
        copied.editor = _Editor(tool)
        return copied
    if isinstance(tool, ComputerTool):
        # The SDK looks a computer up by its tool, which therefore must be made again.
        return dataclasses.replace(tool, computer=_computer_of(tool.computer))
    return tool


def _custom(tool: CustomTool) -> Callable[[Any, str], Any]:
    invoke = tool.on_invoke_tool

    async def perform(context: Any, text: str) -> Any:
        inside = scope.get()
        if inside is None:
            return await _given(invoke(context, text))
        id = context.tool_call_id
        return await inside.perform(id, inside.call(id), lambda: invoke(context, text), raised=True)

    return perform


def _shell(tool: ShellTool) -> Callable[[Any], Any]:
    execute: Any = tool.executor

    async def perform(request: Any) -> Any:
        inside = scope.get()
        if inside is None:
            return await _given(execute(request))
        id = request.data.call_id
        action = request.data.action
        arguments = {key: value for key, value in vars(action).items() if value is not None}
        key = await _begin(inside, tool, id, arguments)
        return await inside.perform(
            id, key, lambda: execute(request), dump=_dump_shell, load=_load_shell, raised=True
        )

    return perform


def _local_shell(tool: LocalShellTool) -> Callable[[Any], Any]:
    execute = tool.executor

    async def perform(request: Any) -> Any:
        inside = scope.get()
        if inside is None:
            return await _given(execute(request))
        id = request.data.call_id
        key = await _begin(inside, tool, id, arguments_of(request.data))
        # The SDK has a span for each of the others.
        with function_span(name_of(tool)):
            return await inside.perform(id, key, lambda: execute(request))

    return perform


class _Editor:
    """An editor of files, each operation of which is done once."""

    def __init__(self, tool: ApplyPatchTool) -> None:
        self._tool = tool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tool.editor, name)

    async def create_file(self, operation: Any) -> Any:
        return await self._perform(self._tool.editor.create_file, operation)

    async def update_file(self, operation: Any) -> Any:
        return await self._perform(self._tool.editor.update_file, operation)

    async def delete_file(self, operation: Any) -> Any:
        return await self._perform(self._tool.editor.delete_file, operation)

    async def _perform(self, edit: Callable[[Any], Any], operation: Any) -> Any:
        inside = scope.get()
        if inside is None:
            return await _given(edit(operation))
        names = ("type", "path", "diff", "move_to")
        found = {name: getattr(operation, name, None) for name in names}
        arguments = {name: value for name, value in found.items() if value is not None}

        def fits(call: Any) -> bool:
            meant = raw(call).get("operation")
            return meant is not None and all(meant.get(key) == arguments[key] for key in arguments)

        # An operation does not say which call it belongs to.
        id = inside.calls.find("apply_patch_call", fits) or f"apply_patch {operation.path}"
        key = await _begin(inside, self._tool, id, arguments)
        return await inside.perform(
            id, key, lambda: edit(operation), dump=_dump_patch, load=_load_patch, raised=True
        )


async def _begin(inside: Scope, tool: Any, id: str, arguments: Any) -> str:
    """A call begins whose hooks do not say what it is called with."""
    key = inside.call(id)
    if inside.told is not None:
        await inside.told.begin(type(tool), name_of(tool), arguments, f"tool {key}")
    return key


async def _given(result: Any) -> Any:
    return await result if hasattr(result, "__await__") else result


def _dump_shell(result: Any) -> dict[str, Any]:
    if isinstance(result, ShellResult):
        return {"shell": dataclasses.asdict(result)}
    return dump_result(result)


def _load_shell(recorded: dict[str, Any]) -> Any:
    if "shell" not in recorded:
        return load_result(recorded)
    given = dict(recorded["shell"])
    given["output"] = [
        ShellCommandOutput(**{**each, "outcome": ShellCallOutcome(**each["outcome"])})
        for each in given["output"]
    ]
    return ShellResult(**given)


def _dump_patch(result: Any) -> dict[str, Any]:
    if isinstance(result, ApplyPatchResult):
        return {"patch": dataclasses.asdict(result)}
    return dump_result(result)


def _load_patch(recorded: dict[str, Any]) -> Any:
    return ApplyPatchResult(**recorded["patch"]) if "patch" in recorded else load_result(recorded)


def _computer_of(given: Any) -> Any:
    """A computer, each action of which is done once; for a function that makes one, such a function."""
    if isinstance(given, (Computer, AsyncComputer)):
        return _computer(given)
    create = given.create if hasattr(given, "create") else given
    disposing: Any = getattr(given, "dispose", None)
    made: dict[int, Any] = {}

    async def make(*, run_context: Any) -> Any:
        computer = await _given(create(run_context=run_context))
        watched = _computer(computer)
        made[id(watched)] = computer
        return watched

    async def dispose(*, run_context: Any, computer: Any) -> None:
        if disposing is not None:
            inner = made.pop(id(computer), computer)
            await _given(disposing(run_context=run_context, computer=inner))

    return ComputerProvider(create=make, dispose=dispose)


def _computer(computer: Any) -> Any:
    def once(name: str) -> Any:
        action = getattr(computer, name)

        @wraps(action)
        async def perform(*arguments: Any, **named: Any) -> Any:
            inside = scope.get()
            if inside is None:
                return await _given(action(*arguments, **named))
            call = inside.told.computer_call if inside.told is not None else None
            id = str(call["call_id"]) if call is not None else "computer"
            return await inside.perform(id, inside.call(id), lambda: action(*arguments, **named))

        return staticmethod(perform)

    # The SDK wants a computer of one of its own two classes, and looks at the signatures of its methods.
    return type(
        "WatchedComputer",
        (AsyncComputer,),
        {
            **{name: once(name) for name in _ACTIONS if hasattr(computer, name)},
            "environment": property(lambda self: computer.environment),
            "dimensions": property(lambda self: computer.dimensions),
            "__getattr__": lambda self, name: getattr(computer, name),
        },
    )()
