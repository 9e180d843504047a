"""`GraphStore`: LangGraph's Store, what graphs remember across conversations, over a StateStore."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchOp,
    ensure_embeddings,
)
from langgraph.store.memory import InMemoryStore

from civitas.errors import ConfigurationError
from civitas_langgraph._blocking import wait_for

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig

    from civitas.state import StateStore

__all__ = ["GraphStore"]

_AT_ONCE = 100
"""How many items are read at the same time."""

Namespace = tuple[str, ...]


class GraphStore(BaseStore):
    """Keeps the items of LangGraph's Store in a StateStore, each under a key of its own.

    What is put is stored when the call returns, and seen by every graph with the same StateStore, in whatever OS
    process. A search reads all items below its namespace. Code that awaits calls `aget`, `aput`, `asearch` and so on;
    `get`, `put`, `search` are for plain functions of an agent, which run in threads.

    Args:
        store: Where to keep them.
        prefix: What the keys begin with; the namespace and the item's key follow.
        index: LangGraph's: how texts are embedded, `dims` and `embed`, and which `fields` of an item. Without, a search
            finds by namespace and filter, and a query says nothing.
    """

    def __init__(
        self,
        store: StateStore,
        prefix: str = "civitas:store:",
        *,
        index: IndexConfig | None = None,
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._index = index
        if index is not None:  # one client for all, and what cannot be used is told now
            self._index = {**index, "embed": ensure_embeddings(index.get("embed"))}

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do `ops`, from a thread."""
        return wait_for(
            self.abatch(ops),
            "write `await store.aput(...)`, aget, asearch, adelete, alist_namespaces there; put, get and so on are for "
            "plain functions, which run in threads",
        )

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do `ops`: all that read, then all that write; of those that write one item, the last."""
        results: list[Result] = []
        puts: dict[tuple[Namespace, str], PutOp] = {}
        for op in ops:
            result: Result = None
            if isinstance(op, GetOp):
                result = _item(op.namespace, op.key, await self._kept(op.namespace, op.key))
            elif isinstance(op, SearchOp):
                result = await self._search(op)
            elif isinstance(op, ListNamespacesOp):
                result = await self._namespaces(op)
            elif isinstance(op, PutOp):
                puts[op.namespace, op.key] = op
            results.append(result)
        await asyncio.gather(*map(self._put, puts.values()))
        return results

    # LangGraph's store in memory has the rules of filters, scores and namespaces: it is lent the items that matter.

    def _view(self) -> InMemoryStore:
        return InMemoryStore(index=self._index)

    async def _search(self, op: SearchOp) -> Result:
        view = self._view()
        found = await self._all_below(op.namespace_prefix)
        for namespace, key, kept in sorted(found, key=lambda each: str(each[2]["created_at"])):
            item = _item(namespace, key, kept)
            if item is not None:
                view._data[namespace][key] = item
            if vectors := kept.get("vectors"):
                view._vectors[namespace][key] = vectors
        return (await view.abatch([op]))[0]

    async def _namespaces(self, op: ListNamespacesOp) -> Result:
        view = self._view()
        for key in await self._keys(self._prefix):
            namespace, _ = self._parse(key)
            view._data[namespace] = {}
        return (await view.abatch([op]))[0]

    async def _put(self, op: PutOp) -> None:
        where = self._key(op.namespace, op.key)
        if op.value is None:
            await self._store.delete(where)
            return
        now = datetime.now(UTC)
        before = await self._kept(op.namespace, op.key)
        kept = {
            "value": dict(op.value),
            "created_at": before["created_at"] if before is not None else now,
            "updated_at": now,
        }
        if self._index is not None:
            view = self._view()
            await view.abatch([op])
            vectors = view._vectors[op.namespace][op.key]
            kept["vectors"] = {path: [float(x) for x in each] for path, each in vectors.items()}
        await self._store.set(where, kept)

    # Where an item is kept: the labels of its namespace hold no slash there, its key may.

    def _key(self, namespace: Sequence[str], key: str) -> str:
        return f"{self._folder(namespace)}//{key}"

    def _folder(self, namespace: Sequence[str]) -> str:
        return self._prefix + "/".join(quote(label, safe=" @:+") for label in namespace)

    def _parse(self, where: str) -> tuple[Namespace, str]:
        labels, _, key = where.removeprefix(self._prefix).partition("//")
        return tuple(map(unquote, labels.split("/"))), key

    async def _kept(self, namespace: Sequence[str], key: str) -> Mapping[str, Any] | None:
        return await self._store.get(self._key(namespace, key))

    async def _keys(self, prefix: str) -> list[str]:
        keys = getattr(self._store, "keys", None)
        if keys is None:
            raise ConfigurationError(
                "the StateStore has no keys(prefix), which is needed to search and to list namespaces; "
                "get, put and delete do without"
            )
        found: list[str] = await keys(prefix)
        return found

    async def _all_below(self, namespace: Namespace) -> list[tuple[Namespace, str, Any]]:
        keys = await self._keys(f"{self._folder(namespace)}/" if namespace else self._prefix)
        found: list[tuple[Namespace, str, Any]] = []
        for at in range(0, len(keys), _AT_ONCE):
            some = keys[at : at + _AT_ONCE]
            for key, kept in zip(
                some, await asyncio.gather(*map(self._store.get, some)), strict=True
            ):
                if kept is not None:  # it was deleted meanwhile
                    found.append((*self._parse(key), kept))
        return found


def _item(namespace: Namespace, key: str, kept: Mapping[str, Any] | None) -> Item | None:
    if kept is None:
        return None
    return Item(
        namespace=namespace,
        key=key,
        value=kept["value"],
        created_at=kept["created_at"],
        updated_at=kept["updated_at"],
    )
