"""All that is kept of one thread: its checkpoints, and what they are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage

from civitas.errors import StateStoreError
from civitas.frameworks import fingerprint, newest_turns
from civitas.frameworks.conversations import BEGUN
from civitas_langgraph._checkpoints import HeldValue, KeptCheckpoint, TaskWrites, Write, pending
from civitas_langgraph._deltas import with_ancestors
from civitas_langgraph._first_format import read_first_format
from civitas_langgraph._logs import Logs
from civitas_langgraph._unwritable import place_of, unwritable, values_of
from civitas_langgraph._values import Value

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from civitas.state import LongRecord

__all__ = ["FORMAT", "Spaces", "Thread"]

FORMAT = 1
"""Of the facts and lists below, within the form of `LongRecord`."""

_LOG, _OLDER = "log:", "older"

_THREAD, _ITEM = 4096, 2048
"""Bytes of memory that a thread takes beside what is stored, and an item such as a message."""

Spaces = Mapping[str, Mapping[str, KeptCheckpoint]]
"""Checkpoints by namespace and id."""


class Thread:
    """The checkpoints of a thread. Ids grow with time, so the greatest of a namespace is its newest.

    Args:
        serde: LangGraph's serializer.
        kept: Where it is kept, with what is there; None for one that is kept nowhere.
        live: What is put stays as it is, and is stored by `save` alone.
    """

    def __init__(
        self, serde: SerializerProtocol, kept: LongRecord | None = None, *, live: bool = False
    ) -> None:
        self.serde = serde
        self.kept = kept
        self.live = live
        self.spaces: dict[str, dict[str, KeptCheckpoint]] = {}
        self.lock = asyncio.Lock()
        """Held while it is stored, and while a checkpoint comes to it."""
        self.changes = self.saved = 0
        """How often it was changed, and how many of these changes are stored."""
        self._early: dict[tuple[str, str], list[TaskWrites]] = {}
        """What was written for checkpoints that are still on their way, by namespace and id."""
        self._latest: dict[str, KeptCheckpoint] = {}
        """By namespace, what the next checkpoint is compared with."""
        self._calls = 0
        self.begun: Mapping[str, Any] | None = None
        """What the run began with that waits for a human, if one does; see `Run.begun`."""
        self.pinned: tuple[str, str] | None = None
        """A message, and the checkpoint that its run began from, if that is kept; an empty id if there was none."""
        self.beside: Mapping[str, dict[str, Any]] = {}
        """What is to be in the store when this is stored next, by its keys."""
        self._shrank = False
        self._logs = Logs(serde.dumps_typed, serde.loads_typed)
        if kept is not None and kept.old is not None:
            self.spaces = read_first_format(kept.old, serde.loads_typed)
            self.changes = 1
        elif kept is not None and kept.facts:
            _check(kept)
            self._load(kept.facts, kept.lists, kept.values)

    def renewed(self, kept: LongRecord) -> Thread:
        """This thread if it is what `kept` has, otherwise the one that is."""
        if self.kept is None or kept.facts is not self.kept.facts:
            return Thread(self.serde, kept, live=self.live)
        self.kept = kept
        return self

    def copy(self, source: Thread) -> None:
        """Be what `source` is."""
        source._settle_all()
        self._load(*source._parts())
        self.changes += 1

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory."""
        there = self.kept.size if self.kept is not None else 0
        items = sum(len(log.items) for log in self._logs.logs.values())
        return _THREAD + 2 * there + _ITEM * items

    @property
    def is_stored(self) -> bool:
        """Whether each change is stored at once."""
        return self.kept is not None and not self.live

    @property
    def is_lost(self) -> bool:
        """Whether it could not be stored, so that nobody knows what is."""
        return self.saved < 0

    def all(self) -> Iterator[tuple[str, str, KeptCheckpoint]]:
        """Every checkpoint, with its namespace and its id."""
        for ns, space in self.spaces.items():
            for id, each in space.items():
                yield ns, id, each

    def values(self, checkpoint: KeptCheckpoint) -> dict[str, Any]:
        """The values of the channels at a checkpoint."""
        if checkpoint.live is not None:
            return dict(checkpoint.live)
        return {name: self._logs.get(value) for name, value in checkpoint.values.items()}

    # Changing it.

    def put(self, ns: str, id: str, checkpoint: KeptCheckpoint, history: int | None) -> None:
        """Take a checkpoint in.

        Args:
            ns: Its namespace.
            id: Its id.
            checkpoint: It.
            history: How many of the namespace stay, and with them what they are rebuilt from; None for all.
        """
        if self.is_stored:
            self._settle(ns, checkpoint)
        space = self.spaces.setdefault(ns, {})
        early = self._early.pop((ns, id), [])
        checkpoint.calls = [*space[id].calls, *early] if id in space else early
        for place in [each for each in self._early if each[0] == ns and each[1] < id]:
            del self._early[place]  # the step that it belongs to is over
        self._shrank = self._shrank or id in space
        space[id] = checkpoint
        self.changes += 1
        if history is not None and len(space) > history:
            left = sorted(space)[-history:]
            if ns == "" and self.pinned is not None and self.pinned[1] in space:
                left = sorted({self.pinned[1], *left})
            self._replace(ns, with_ancestors(space, left))

    def add_writes(self, ns: str, id: str, writes: Sequence[Write]) -> None:
        """Take in what a task wrote for a checkpoint, which may be still on its way."""
        space = self.spaces.get(ns, {})
        if id in space:
            calls = space[id].calls
        elif id > max(space, default=""):
            calls = self._early.setdefault((ns, id), [])
        else:
            return  # there is a newer one: the step is over
        there = pending(calls)
        new = [each for each in writes if each.place < 0 or (each.task, each.place) not in there]
        if not new:
            return
        if self.is_stored:
            for each in new:
                self._write(each)
        self._calls += 1
        calls.append(TaskWrites(str(self._calls), new))
        if id in space:
            space[id].record = None
        self.changes += 1

    def _write(self, write: Write) -> None:
        value = write.held.value
        try:
            write.held.write(self.serde.dumps_typed)
        except Exception as error:
            place = place_of(write.channel, value)
            if (told := unwritable([(place, value)], self.serde.dumps_typed)) is not None:
                raise told from error
            raise

    def reduce(self, spaces: Spaces) -> None:
        """Leave only these checkpoints."""
        for ns in list(self.spaces):
            self._replace(ns, spaces.get(ns, {}))
        self._early.clear()
        self.changes += 1

    def rewind(self, id: str) -> None:
        """Leave only this checkpoint and those before it; none if the id is empty.

        What subgraphs remember by themselves stays.
        """
        space = self.spaces.get("", {})
        left = {each: kept for each, kept in space.items() if each <= id}
        others = {ns: each for ns, each in self.spaces.items() if ns and ":" not in ns}
        self.reduce({**others, **({"": left} if left else {})})

    def shorten(self, longest: int) -> None:
        """Leave the newest messages of each list of the newest checkpoint; what is rebuilt from writes stays as it is.

        Args:
            longest: How many, in whole turns.
        """
        self._settle_all()
        space = self.spaces.get("", {})
        newest = space[max(space)] if space else None
        for name, value in list(newest.values.items()) if newest is not None else ():
            found = self._logs.get(value)
            if not (isinstance(found, list) and all(isinstance(m, BaseMessage) for m in found)):
                continue
            left = newest_turns(found, longest, lambda message: message.type == "human")
            if newest is not None and len(left) < len(found):
                newest.values[name] = self._logs.put(name, list(left), value)
                newest.record, self._shrank = None, True
                self.changes += 1

    def _replace(self, ns: str, space: Mapping[str, KeptCheckpoint]) -> None:
        before = self.spaces[ns]
        self._shrank = self._shrank or any(space.get(id) is not each for id, each in before.items())
        if space:
            self.spaces[ns] = dict(space)
        else:
            del self.spaces[ns]

    def _settle_all(self) -> None:
        for ns, _, each in self.all():
            self._settle(ns, each)

    def _settle(self, ns: str, checkpoint: KeptCheckpoint) -> None:
        """Take the values of a checkpoint apart; what its channels had before is not kept again."""
        if checkpoint.live is None:
            return
        before = self.spaces.get(ns, {}).get(checkpoint.parent or "")
        if before is None or before.live is not None:
            before = self._latest.get(ns)
        old: Mapping[str, Value] = before.values if before is not None else {}
        known = self._versions(before) if before is not None else {}
        versions = self._versions(checkpoint)
        dumps = self.serde.dumps_typed
        try:
            for name, value in checkpoint.live.items():
                same = name in old and name in versions and versions[name] == known.get(name)
                checkpoint.values[name] = (
                    old[name] if same else self._logs.put(name, value, old.get(name))
                )
            checkpoint.body.write(dumps)
            checkpoint.metadata.write(dumps)
        except Exception as error:
            body: Any = {"channel_values": checkpoint.live}
            if (told := unwritable(values_of(body), dumps)) is not None:
                raise told from error
            raise
        checkpoint.live = None
        self._latest[ns] = checkpoint

    def _versions(self, checkpoint: KeptCheckpoint) -> Mapping[str, Any]:
        if checkpoint.versions is None:
            body = checkpoint.body.read(self.serde.loads_typed)
            checkpoint.versions = body["channel_versions"]
        return checkpoint.versions

    # To the store.

    async def save(self, *, join: bool = False) -> None:
        """Store it as it is now.

        Args:
            join: It is kept as a run's own: let it be the thread that the run began from.

        Raises:
            StateConflict: Somebody else has written it since it was read.
            PayloadError: No checkpoint can hold something in it.
        """
        assert self.kept is not None
        self._settle_all()
        if self._shrank:
            older = any(len(space) > 1 for space in self.spaces.values())
            values = {
                id(value): value for _, _, each in self.all() for value in each.values.values()
            }
            if self._logs.trim(values.values(), exactly=not older):
                for _, _, each in self.all():
                    each.record = None
            self._shrank = False
        self._latest = {ns: space[max(space)] for ns, space in self.spaces.items()}
        changes = self.changes
        try:
            if not self.spaces and not self._early:
                await self.kept.drop()
            elif join:
                await self.kept.join(*self._parts())
            else:
                beside, self.beside = self.beside, {}
                await self.kept.save(*self._parts(), beside=beside)
        except BaseException:
            self.saved = -1  # nobody knows what is stored now
            raise
        self.saved = changes

    def _parts(self) -> tuple[dict[str, Any], dict[str, list[Any]], dict[str, Any]]:
        """The facts, the lists and the values that are stored."""
        dumps = self.serde.dumps_typed
        newest, older = {}, []
        for ns, space in self.spaces.items():
            last = max(space)
            for id in sorted(space):
                each = space[id]
                if id == last:
                    newest[ns] = [id, self._record(each)]
                else:
                    each.record = each.record or {"ns": ns, "id": id, **self._record(each)}
                    older.append(each.record)
        facts = {
            "format": FORMAT,
            "checkpoints": newest,
            "calls": self._calls,
            "early": [
                [ns, id, [call.name for call in calls]] for (ns, id), calls in self._early.items()
            ],
            "first": {name: log.first for name, log in self._logs.logs.items() if log.first},
        }
        if self.pinned is not None:
            facts["pinned"] = list(self.pinned)
        lists: dict[str, list[Any]] = {
            _LOG + name: [item.stored for item in log.items]
            for name, log in self._logs.logs.items()
        }
        if older:
            lists[_OLDER] = older
        kept = [call for _, _, each in self.all() for call in each.calls]
        early = [call for calls in self._early.values() for call in calls]
        values: dict[str, Any] = {call.name: call.record(dumps) for call in [*kept, *early]}
        if self.begun is not None:
            # A value is written once, and another one has another name.
            values[BEGUN + fingerprint(self.begun["parts"])] = self.begun
        return facts, lists, values

    def _record(self, checkpoint: KeptCheckpoint) -> dict[str, Any]:
        dumps = self.serde.dumps_typed
        return {
            "checkpoint": checkpoint.body.write(dumps),
            "metadata": checkpoint.metadata.write(dumps),
            "run_id": checkpoint.run_id,
            "parent": checkpoint.parent,
            "rebuilt": checkpoint.rebuilt,
            "values": {name: each.record() for name, each in checkpoint.values.items()},
            "writes": [each.name for each in checkpoint.calls],
        }

    # From the store.

    def _load(
        self, facts: Mapping[str, Any], lists: Mapping[str, Any], values: Mapping[str, Any]
    ) -> None:
        self._calls = facts["calls"]
        logs = {
            name.removeprefix(_LOG): items for name, items in lists.items() if name.startswith(_LOG)
        }
        self._logs.load(logs, facts["first"])
        self.spaces = {}
        for record in lists.get(_OLDER, ()):
            each = _checkpoint(record, values)
            each.record = record
            self.spaces.setdefault(record["ns"], {})[record["id"]] = each
        for ns, (id, record) in facts["checkpoints"].items():
            self.spaces.setdefault(ns, {})[id] = self._latest[ns] = _checkpoint(record, values)
        self._early = {(ns, id): _calls(names, values) for ns, id, names in facts["early"]}
        self.pinned = tuple(facts["pinned"]) if facts.get("pinned") else None
        self.begun = next((value for name, value in values.items() if name.startswith(BEGUN)), None)


def _check(kept: LongRecord) -> None:
    if kept.facts["format"] > FORMAT:
        raise StateStoreError(
            f"{kept.home!r} was kept by a newer civitas-langgraph (format {kept.facts['format']}, this one knows "
            f"{FORMAT}) and was left alone. Upgrade civitas-langgraph, or drop the conversation",
            key=kept.home,
        )


def _checkpoint(record: Mapping[str, Any], values: Mapping[str, Any]) -> KeptCheckpoint:
    return KeptCheckpoint(
        HeldValue(stored=record["checkpoint"]),
        HeldValue(stored=record["metadata"]),
        record["run_id"],
        record["parent"],
        record["rebuilt"],
        values={name: Value.read(each) for name, each in record["values"].items()},
        calls=_calls(record["writes"], values),
    )


def _calls(names: Sequence[str], values: Mapping[str, Any]) -> list[TaskWrites]:
    return [TaskWrites.read(name, values[name]) for name in names]
