"""What a member knows of the store that the root lends it, without asking."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from civitas.cluster.lent.lender import Lender
from civitas.cluster.lent.store import RemoteStore, offered
from civitas.errors import ConfigurationError
from civitas.message import decode, encode
from civitas.state import BatchStore, InMemoryStateStore
from civitas.state.store import offers
from civitas.testing import StateStoreSuite


class _Root:
    """A root with a store, and what it was asked for."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.asked: list[str] = []

    async def call(self, _: str, what: str, arguments: bytes) -> bytes:
        self.asked.append(what)
        match what, decode(arguments):
            case "set", [key, value]:
                self.kept[key] = value
                return encode(None)
            case _, [key]:
                return encode(self.kept.get(key))
        raise AssertionError(what)


async def test_what_the_root_says_is_not_there_is_not_asked_for_once() -> None:
    root, store = _Root(), RemoteStore()
    store.lend(root.call, outlives=True)
    store.expect("a", nothing=True)
    assert await store.get("a") is None
    assert root.asked == []
    assert await store.get("a") is None
    assert root.asked == ["get"]


async def test_what_was_saved_meanwhile_is_read() -> None:
    root, store = _Root(), RemoteStore()
    store.lend(root.call, outlives=True)
    store.expect("a", nothing=True)
    await store.set("a", {"n": 1})
    assert await store.get("a") == {"n": 1}


async def test_what_is_there_at_the_next_start_is_read() -> None:
    root, store = _Root(), RemoteStore()
    store.lend(root.call, outlives=True)
    store.expect("a", nothing=True)
    root.kept["a"] = {"n": 2}
    store.expect("a", nothing=False)
    assert await store.get("a") == {"n": 2}


def lent(store: Any) -> RemoteStore:
    """What a member has of the `store` of its root."""
    owner: Any = SimpleNamespace(store=store)
    lender, remote = Lender(owner), RemoteStore()

    async def call_root(_: str, what: str, arguments: bytes) -> bytes:
        return await lender.store(None, what, arguments)  # type: ignore[arg-type]

    remote.lend(call_root, outlives=True, offers=offered(store))
    return remote


class TestLentStore(StateStoreSuite):
    optional = {"keys", "revisions", "batches"}

    @pytest.fixture
    def store(self):
        return lent(InMemoryStateStore())


class Plain:
    """A store of three methods."""

    async def get(self, key: str) -> Any: ...

    async def set(self, key: str, value: Any) -> None: ...

    async def delete(self, key: str) -> None: ...


@pytest.mark.promise(id="SEM-1561")
async def test_a_member_is_offered_what_the_store_of_the_root_offers() -> None:
    assert offers(lent(InMemoryStateStore()), BatchStore)
    few = lent(Plain())
    assert not offers(few, BatchStore)
    assert not hasattr(few, "keys")


async def test_a_batch_of_steps_needs_a_store_that_outlives_the_process() -> None:
    root, store = _Root(), RemoteStore()
    store.lend(root.call, outlives=False, offers=["write"])
    with pytest.raises(ConfigurationError, match="outlives the processes"):
        await store.write({"civitas:step:a/b/c": {}})
