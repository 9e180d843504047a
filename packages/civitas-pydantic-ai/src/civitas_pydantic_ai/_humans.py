"""Questions to a human, from a run with tools that are deferred, and the answers, for a run that goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from pydantic_ai import DeferredToolRequests, DeferredToolResults, ToolApproved, ToolDenied
from pydantic_ai.messages import ToolCallPart

from civitas.frameworks import Interrupted
from civitas_pydantic_ai._once import show
from civitas_pydantic_ai._payload import check_files

__all__ = ["check_answer", "interrupted", "results_of", "still_open"]

_TAKES = (
    'an approval is True or False, or {"approve": bool, "message": text for the model, '
    '"arguments": {...} to call the tool with instead}'
)
_KEYS = ("approve", "message", "arguments")


def interrupted(requests: DeferredToolRequests) -> Interrupted:
    """What a run returns that waits for these."""
    calls = [*requests.approvals, *requests.calls]
    questions = [_question(each, requests) for each in calls]
    return Interrupted(questions, {"questions": questions, "answers": {}})


def _question(call: ToolCallPart, requests: DeferredToolRequests) -> dict[str, Any]:
    id = call.tool_call_id
    kind, metadata = requests.kind(id), requests.metadata.get(id)
    value: dict[str, Any] = {"name": call.tool_name, "arguments": show(call.args_as_dict())}
    if kind != "approval":
        value = {"kind": kind, "call": value}
    if metadata:
        value["metadata"] = show(metadata)
    return {"id": id, "value": value}


def check_answer(
    question: Mapping[str, Any], answer: Any, refuse: Callable[[str, str], NoReturn]
) -> None:
    """`refuse` what cannot be the answer to a question; that of a call that is made elsewhere may be any plain data."""
    check_files(answer, "payload.value", refuse)
    if "kind" in question["value"] or isinstance(answer, bool):
        return
    path = "payload.value"
    if not isinstance(answer, Mapping) or not isinstance(answer.get("approve"), bool):
        refuse(path, f"{_TAKES}; got {answer!r}")
    for key in answer:
        if key not in _KEYS:
            refuse(f"{path}.{key}", f"there is no such key; {_TAKES}")
    message, arguments = answer.get("message"), answer.get("arguments")
    if message is not None and not isinstance(message, str):
        refuse(f"{path}.message", f"text is needed, got {message!r}; {_TAKES}")
    if arguments is not None and not (isinstance(arguments, Mapping) and answer["approve"]):
        refuse(f"{path}.arguments", f"a dict is needed, for a call that is approved; {_TAKES}")


def still_open(saved: Mapping[str, Any], answers: Mapping[str, Any]) -> Interrupted | None:
    """What a run returns of whose questions only some have these answers; None if it can go on."""
    given = {**saved["answers"], **answers}
    left = [each for each in saved["questions"] if each["id"] not in given]
    return Interrupted(left, {**saved, "answers": given}) if left else None


def results_of(saved: Mapping[str, Any], answers: Mapping[str, Any]) -> DeferredToolResults:
    """The answers to all questions of a run, as Pydantic AI takes them."""
    given = {**saved["answers"], **answers}
    results = DeferredToolResults()
    for question in saved["questions"]:
        id = question["id"]
        if "kind" in question["value"]:
            results.calls[id] = given[id]
        else:
            results.approvals[id] = _approval(given[id])
        if (metadata := question["value"].get("metadata")) is not None:
            results.metadata[id] = metadata
    return results


def _approval(answer: Any) -> bool | ToolApproved | ToolDenied:
    if isinstance(answer, bool):
        return answer
    if answer["approve"]:
        return ToolApproved(override_args=answer.get("arguments"))
    message = answer.get("message")
    return ToolDenied(message) if message else ToolDenied()
