"""A checkpoint as it is kept, and what was written for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from civitas_langgraph._packed import Stored, pack, unpack

if TYPE_CHECKING:
    from civitas_langgraph._items import Dumps, Loads
    from civitas_langgraph._values import Value

__all__ = ["HeldValue", "KeptCheckpoint", "TaskWrites", "Write", "pending"]


class HeldValue:
    """A value as it was given, or as it is stored."""

    __slots__ = ("_stored", "value")

    def __init__(self, value: Any = None, stored: Stored | None = None) -> None:
        self.value = value
        self._stored = stored

    def read(self, loads: Loads) -> Any:
        """The value; a new one each time if it was written."""
        return self.value if self._stored is None else loads(unpack(self._stored))

    def write(self, dumps: Dumps) -> Stored:
        """As it is stored; written once."""
        if self._stored is None:
            self._stored, self.value = pack(dumps(self.value)), None
        return self._stored


@dataclass(slots=True)
class Write:
    """What a task wrote to one channel.

    Attributes:
        task: The task's id.
        place: Among what the task wrote; below 0 for LangGraph's own, of which the last one counts.
        channel: The channel.
        held: What was written.
        path: The task's path.
    """

    task: str
    place: int
    channel: str
    held: HeldValue
    path: str


@dataclass(slots=True)
class TaskWrites:
    """What was written in one call.

    Attributes:
        name: What it is stored as; each has its own.
        writes: What was written.
    """

    name: str
    writes: Sequence[Write]

    def only(self, channels: Collection[str]) -> TaskWrites:
        """What of it was written to these channels; itself if that is all."""
        writes = [each for each in self.writes if each.channel in channels]
        return self if len(writes) == len(self.writes) else TaskWrites(f"{self.name}-", writes)

    def record(self, dumps: Dumps) -> list[Any]:
        """As it is stored."""
        return [
            [each.task, each.place, each.channel, each.held.write(dumps), each.path]
            for each in self.writes
        ]

    @classmethod
    def read(cls, name: str, record: Sequence[Sequence[Any]]) -> TaskWrites:
        """What was stored."""
        writes = [
            Write(task, place, channel, HeldValue(stored=stored), path)
            for task, place, channel, stored, path in record
        ]
        return cls(name, writes)


@dataclass(slots=True, eq=False)
class KeptCheckpoint:
    """One checkpoint.

    Attributes:
        body: The checkpoint without the values of its channels.
        metadata: LangGraph's.
        run_id: Of the run that made it.
        parent: Id of the one that it was made from.
        rebuilt: The channels that have no value of their own, see `rebuilt`.
        live: The values of its channels as they were given; None once they are in `values`.
        values: The values of its channels.
        calls: What was written for it, in the order of the calls.
        versions: Of its channels; None until they were looked at.
        record: As it is stored when it is not the newest; None until it was made.
    """

    body: HeldValue
    metadata: HeldValue
    run_id: str | None
    parent: str | None
    rebuilt: list[str]
    live: Mapping[str, Any] | None = None
    values: dict[str, Value] = field(default_factory=dict)
    calls: list[TaskWrites] = field(default_factory=list)
    versions: Mapping[str, Any] | None = None
    record: dict[str, Any] | None = None

    def writes(self) -> list[Write]:
        """What was written for it, in the order in which a run applies it."""
        found = pending(self.calls).values()
        return sorted(found, key=lambda each: (each.path, each.task, each.place))


def pending(calls: Sequence[TaskWrites]) -> dict[tuple[str, int], Write]:
    """What counts of `calls`: what a task wrote first, and of LangGraph's own what it wrote last."""
    found: dict[tuple[str, int], Write] = {}
    for write in _all(calls):
        place = (write.task, write.place)
        if write.place < 0 or place not in found:
            found[place] = write
    return found


def _all(calls: Sequence[TaskWrites]) -> Iterator[Write]:
    for call in calls:
        yield from call.writes
