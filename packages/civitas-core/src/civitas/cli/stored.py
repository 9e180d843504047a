"""What a topology's state store holds, for `civitas state`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from civitas.cli.failures import Refused
from civitas.control import holder, state_folder
from civitas.errors import StateStoreError
from civitas.errors.hints import did_you_mean
from civitas.frameworks.conversations import CONVERSATION, forget, last_use
from civitas.frameworks.transcripts import as_text, messages_of, open_questions
from civitas.plugins import PluginManager
from civitas.process.built_late import BuiltLate
from civitas.process.steps import STEPS
from civitas.state import InMemoryStateStore, LongRecord, SQLiteStateStore
from civitas.state.in_order import is_piece, keys_of_pieces
from civitas.topology import Topology, load_part, runtime_options

__all__ = ["Stored", "Transcript", "few", "on_one_line", "opened", "plain"]

_INTERNAL = "civitas:"
_SHOWN = 5


@dataclass(frozen=True)
class Transcript:
    """A conversation as people read it.

    Attributes:
        messages: For each its `role`, its `content`, and `tool_calls` and `name` if it has them.
        questions: What it waits for a human to answer.
    """

    messages: list[dict[str, Any]]
    questions: list[dict[str, Any]]

    def lines(self) -> list[str]:
        """Its messages, then what it waits for."""
        lines = [as_text(message) for message in self.messages]
        for question in self.questions:
            asked = as_text({"role": f"waits for {question['id']}", "content": question["value"]})
            lines.append(asked)
        return [_readable(line) for line in lines]


def plain(found: Any) -> Any:
    """What was found, as plain data."""
    if isinstance(found, dict):
        return {key: plain(value) for key, value in found.items()}
    if isinstance(found, Transcript):
        return {"messages": found.messages, "interrupts": found.questions}
    return found


def few(keys: list[str]) -> str:
    """The first of `keys`."""
    shown = ", ".join(map(on_one_line, keys[:_SHOWN]))
    return f"{shown}, ..." if len(keys) > _SHOWN else shown


def on_one_line(key: str) -> str:
    """A key as it is printed."""
    return key if key.isprintable() else repr(key)


def _readable(text: str) -> str:
    """Text without what would move the cursor or change its colours."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def _meant(key: str) -> tuple[str, ...]:
    """The keys that one may mean: that of state, or that of a conversation."""
    return (key,) if key.startswith(_INTERNAL) else (key, CONVERSATION + key)


@dataclass(frozen=True)
class Stored:
    """What a topology's state store holds.

    Attributes:
        topology: The topology's file.
        type: Type of the store, as it is written there.
        store: The store; None if it has no file yet, so that nothing is in it.
        pid: The process that runs the system; None if none does.
    """

    topology: Path
    type: str
    store: Any
    pid: int | None

    async def keys(self, prefix: str, *, internal: bool) -> list[str]:
        """The keys that begin with `prefix`; a conversation is one, whatever it is kept in.

        Args:
            prefix: What they begin with.
            internal: All keys by their whole names, those that Civitas keeps for itself among them.
        """
        if self.store is None:
            return []
        listed = getattr(self.store, "keys", None)
        if listed is None:
            raise Refused(
                f"the state store {self.type!r} ({type(self.store).__name__}) cannot list its keys: "
                "it has no method keys(prefix). Name one key; that of an agent is the agent's name"
            )
        keys = [key for key in await listed(prefix) if not is_piece(key)]
        if internal:
            return keys
        own = [key for key in keys if not key.startswith(_INTERNAL)]
        conversations = [
            key.removeprefix(CONVERSATION)
            for key in await listed(CONVERSATION + prefix)
            if not is_piece(key)
        ]
        return sorted({*own, *conversations})

    async def steps(self, prefix: str) -> list[str]:
        """The steps of unfinished messages of agents whose name, with a `/` behind it, begins with `prefix`."""
        keys = getattr(self.store, "keys", None)
        return list(await keys(f"{STEPS}{prefix}")) if keys is not None else []

    async def holds(self, key: str) -> bool:
        """Whether something is saved under `key`, as state or as a conversation."""
        return any([await self._there(each) for each in _meant(key)])

    async def _there(self, key: str) -> bool:
        try:
            return self.store is not None and await self.store.get(key) is not None
        except StateStoreError:
            return True  # what is damaged can be removed all the same

    async def shown(self, key: str) -> Any:
        """What is saved under `key`: a value, or else a `Transcript`.

        Raises:
            Refused: Nothing is.
        """
        for each in _meant(key):
            if self.store is None or (value := await self.store.get(each)) is None:
                continue
            if not each.startswith(CONVERSATION):
                return value
            record = await LongRecord.load(self.store, each)
            told = PluginManager().messages(record)
            return Transcript(messages_of(record, told), open_questions(record))
        raise Refused(f"nothing is saved under {key!r}{await self._instead(key)}")

    async def described(self, key: str) -> dict[str, Any]:
        """A key, whether it is that of a conversation, and when that was written last."""
        for each in _meant(key):
            if each.startswith(CONVERSATION) and (used := await last_use(self.store, each)):
                moment = datetime.fromtimestamp(used, UTC).isoformat()
                return {"key": key, "kind": "conversation", "used": moment}
            if await self._there(each):
                kind = "conversation" if each.startswith(CONVERSATION) else "state"
                return {"key": key, "kind": kind}
        return {"key": key, "kind": "state"}

    async def remove(self, key: str) -> None:
        """Forget what is saved under `key`; of a conversation all that it is kept in."""
        for each in _meant(key):
            if each.startswith(CONVERSATION):
                with suppress(StateStoreError):  # what is damaged can be removed all the same
                    await forget(self.store, each)
                    continue
                for piece in await keys_of_pieces(self.store, each):
                    await self.store.delete(piece)
            await self.store.delete(each)

    def nothing(self, prefix: str) -> str:
        """What to say if there are no keys."""
        return (
            f"nothing is saved under a key that begins with {prefix!r}"
            if prefix
            else "nothing is saved"
        )

    async def _instead(self, key: str) -> str:
        if self.store is not None and not hasattr(self.store, "keys"):
            return ""
        keys = [*await self.keys("", internal=True), *await self.keys("", internal=False)]
        keys = sorted(set(keys))
        there = f"; there are: {few(keys)}" if keys else "; nothing is saved at all"
        return did_you_mean(key, keys) or there


@asynccontextmanager
async def opened(file: Path) -> AsyncIterator[Stored]:
    """The state store of a topology, of which nothing but name and state is read."""
    topology = load_part(file, "name", "state")
    if topology.state is not None and topology.state.type == "nats_kv":
        # It is reached as the transport is.
        topology = load_part(file, "name", "state", "transport")
    pid = holder(state_folder(topology.name, file))
    store = _store(file, topology, pid)
    # To look into a store must not make one.
    there = store if not isinstance(store, SQLiteStateStore) or store.path.exists() else None
    if isinstance(store, BuiltLate):
        await store.open()
    try:
        yield Stored(file, topology.state.type if topology.state else "", there, pid)
    finally:
        close = getattr(store, "close", None)
        if close is not None:
            await close()


def _store(file: Path, topology: Topology, pid: int | None) -> Any:
    store = None
    if topology.state is not None:
        store = runtime_options(topology, plugins=PluginManager())["state_store"]
    if store is None or isinstance(store, InMemoryStateStore):
        where = "has no 'state'" if store is None else "keeps its state in memory"
        runs = (
            f"what the running system (process {pid}) holds is in its own memory, out of reach"
            if pid is not None
            else "nothing outlives the system"
        )
        raise Refused(f"{file} {where}: {runs}. Write state: {{type: sqlite, path: civitas.db}}")
    return store
