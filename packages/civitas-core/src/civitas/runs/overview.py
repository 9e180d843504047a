"""What agents report about their runs, what the answers say, and all runs together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from civitas.message import Message
from civitas.process.progress import USAGE
from civitas.runs.info import RunInfo, RunStatus

__all__ = ["newest_of", "overview", "steps_in", "told_by_agent", "told_by_answer"]

_STEP = ("kind", "name", "since", "seconds", "bytes", "recorded", "error")
_COUNTS = ("requests", "input_tokens", "output_tokens", "total_tokens")


def told_by_agent(doing: Mapping[str, Any] | None) -> dict[str, Any]:
    """What an agent reports about a run while it goes on, as attributes of a `RunInfo`.

    Args:
        doing: As `Cell.doing` has it; None for nothing.
    """
    if doing is None:
        return {}
    waits: list[dict[str, Any]] = [{"for": "agent", "name": name} for name in doing.get("asks", ())]
    if (until := doing.get("retry_at")) is not None:
        waits.append({"for": "retry", "until": until})
    usage = doing.get("usage")
    return {
        "step": doing.get("step", ""),
        "waits_for": tuple(waits),
        "usage": None if usage is None else dict(zip(_COUNTS, usage, strict=True)),
        "cost": doing.get("usd"),
    }


def steps_in(doing: Mapping[str, Any] | None) -> tuple[dict[str, Any], ...]:
    """The steps that an agent reports of a run, as in a `RunInfo`; apart from the rest, as there may be many."""
    steps = () if doing is None else doing.get("steps", ())
    return tuple(dict(zip(_STEP, each, strict=True)) for each in steps)


def told_by_answer(answer: Message) -> dict[str, Any]:
    """What an answer says about its run, as attributes of a `RunInfo`."""
    told: dict[str, Any] = {"step": ""}
    # Any agent may write the header, and answer with a message of that type.
    with suppress(ValueError, TypeError, KeyError):
        usage = json.loads(answer.headers.get(USAGE, "null"))
        told["usage"] = {name: int(usage[name]) for name in _COUNTS}
    if answer.type == "interrupt":
        if answer.conversation is not None:
            told["conversation"] = answer.conversation  # it has one since it asked
        with suppress(TypeError, KeyError):
            questions = answer.payload["interrupts"]
            told["waits_for"] = tuple(
                {"for": "human", "id": each["id"], **_call(each)} for each in questions
            )
    return told


def _call(question: Mapping[str, Any]) -> dict[str, Any]:
    """Of which call a question wants to know whether it happened; nothing of another question."""
    value = question.get("value")
    if not isinstance(value, Mapping) or "idempotency_key" not in value:
        return {}
    kind = str(value["kind"])
    return {kind: value[kind], "since": value["since"]}


def overview(
    infos: Iterable[RunInfo], status: RunStatus | None = None, agent: str | None = None
) -> list[RunInfo]:
    """All runs, in the order in which they were accepted.

    One that waited for a human is done when a later run of its conversation was answered.

    Args:
        infos: The runs.
        status: Only those with this one.
        agent: Only those of this agent, or pool.
    """
    ordered = sorted(infos, key=lambda each: each.since)
    seen: set[tuple[str, str | None]] = set()
    found: list[RunInfo] = []
    for each in reversed(ordered):
        family, info = each.agent.partition("/")[0], each
        if each.status in (RunStatus.WAITING, RunStatus.DONE) and each.conversation is not None:
            talk = family, each.conversation
            if each.status is RunStatus.WAITING and talk in seen:
                info = replace(each, status=RunStatus.DONE, waits_for=())
            seen.add(talk)
        if status in (None, info.status) and agent in (None, info.agent, family):
            found.append(info)
    return found[::-1]


def newest_of(infos: Iterable[RunInfo], most: int) -> list[RunInfo]:
    """The newest runs of a list, in its order: up to `most` that wait for somebody, that go on, and that have ended."""
    left: dict[str, int] = {}
    found: list[RunInfo] = []
    for each in reversed(list(infos)):
        kind = "waits" if each.status is RunStatus.WAITING else "ended" if each.ended else "goes on"
        left[kind] = left.get(kind, most) - 1
        if left[kind] >= 0:
            found.append(each)
    return found[::-1]
