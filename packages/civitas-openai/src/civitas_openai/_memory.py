"""What is kept of a conversation, and what the next run is told about one that failed."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from agents import ItemHelpers, ShellResult
from agents.editor import ApplyPatchResult

from civitas.errors import ConfigurationError
from civitas_openai._tool_calls import LOCAL, UNFINISHED, WITHHELD, Failed, ToolCalls

__all__ = ["Memory", "untold"]


@dataclass
class Memory:
    """What is kept of a conversation, plain data.

    Attributes:
        items: What the SDK's session holds.
        agent: Name of the SDK agent that answered last.
        context: The plain parts of the `context`.
        left: Of a run that waits for a human, the calls that were made and are not in `items` yet.
        failed: The message whose run failed last, and how many `items` there were before it.
    """

    items: list[Any] = field(default_factory=list)
    agent: str | None = None
    context: dict[str, Any] | None = None
    left: list[Any] = field(default_factory=list)
    failed: tuple[str, int] | None = None

    @classmethod
    def load(cls, history: Any, message: str) -> Memory:
        """From `Run.history`.

        Args:
            history: What `dump` made, or the items alone.
            message: Id of the message that is handled.

        Raises:
            ConfigurationError: A newer version kept it.
        """
        if not isinstance(history, dict):
            return cls(list(history or ()))
        if unknown := sorted(history.keys() - {each.name for each in fields(cls)}):
            raise ConfigurationError(
                f"a newer civitas-openai kept this conversation, with {', '.join(map(repr, unknown))} in it, which is "
                "unknown here. Nothing was changed: upgrade civitas-openai, or begin another conversation"
            )
        memory = cls(**history)
        if memory.failed is not None and memory.failed[0] == message:
            # It is delivered again, as only its end was not heard of.
            memory.items = memory.items[: memory.failed[1]]
        return memory

    def dump(self) -> dict[str, Any]:
        """For `Run.history`."""
        return {name: value for name, value in vars(self).items() if value}


def untold(calls: ToolCalls, items: list[Any]) -> list[Any]:
    """The calls that were made and are missing from `items`, each with its result.

    Args:
        calls: Those of a run.
        items: The items of its conversation.
    """
    kinds = [(str(item.get("type")), item.get("call_id")) for item in items]
    ended = {id for kind, id in kinds if kind.endswith("_output")}
    begun = {id for kind, id in kinds if kind in LOCAL}
    more: list[Any] = []
    for answer in calls.answers:
        output: list[Any] = answer.output
        made = {
            call.call_id: call
            for call in output
            if call.type in LOCAL and call.call_id in calls.made and call.call_id not in ended
        }
        if not made:
            continue
        ids = {getattr(item, "call_id", None) for item in output}
        partly = not ids.isdisjoint(begun | ended)
        for item in answer.to_input_items():
            data: Any = item
            if data.get("type") in LOCAL:
                if data["call_id"] in made and data["call_id"] not in begun:
                    more.append(data)
            elif not partly:
                more.append(data)
        more += [_output(call, calls.made[id]) for id, call in made.items()]
    return more


def _output(call: Any, result: Any) -> Any:
    kind, text = call.type, _text(result)
    item: dict[str, Any] = {"type": f"{kind}_output", "call_id": call.call_id, "output": text}
    went_well = text is None
    if kind == "function_call":
        return ItemHelpers.tool_call_output_item(call, result if went_well else text)
    if kind == "computer_call":
        url = f"data:image/png;base64,{result}" if went_well else ""
        return item | {"output": {"type": "computer_screenshot", "image_url": url}}
    if kind == "shell_call":
        given = [vars(each) for each in result.output] if isinstance(result, ShellResult) else None
        outputs = [
            {
                "stdout": each["stdout"],
                "stderr": each["stderr"],
                "outcome": _outcome(each["outcome"]),
            }
            for each in given or ()
        ]
        code = {"type": "exit", "exit_code": 0 if went_well else 1}
        plain = {"stdout": str(result) if went_well else text, "stderr": "", "outcome": code}
        return item | {"output": outputs or [plain], "status": "completed"}
    if kind == "apply_patch_call":
        failed = isinstance(result, ApplyPatchResult) and result.status == "failed"
        said = result.output if isinstance(result, ApplyPatchResult) else result
        status = "completed" if went_well and not failed else "failed"
        return item | {"status": status, "output": text or str(said or "")}
    return item | {"output": str(result) if went_well else text}


def _outcome(outcome: Any) -> dict[str, Any]:
    if outcome.type == "timeout":
        return {"type": "timeout"}
    return {"type": "exit", "exit_code": outcome.exit_code or 0}


def _text(result: Any) -> str | None:
    """What the model reads about a call without a result."""
    if result is UNFINISHED:
        return "The run failed while this call was made. Whether it took effect is not known."
    if result is WITHHELD:
        return "The call was made. The run failed before its result was checked, so it is withheld."
    if isinstance(result, Failed):
        return f"The call failed with {type(result.error).__name__}, and the run with it."
    return None
