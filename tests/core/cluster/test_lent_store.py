"""What a member knows of the store that the root lends it, without asking."""

from __future__ import annotations

from typing import Any

from civitas.cluster.lent.store import RemoteStore
from civitas.message import decode, encode


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
