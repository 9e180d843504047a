"""`StateStoreSuite`: proves that a state store keeps its promises."""

# ruff: noqa: D102  (the name of a test is its sentence)

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import pytest
import pytest_asyncio

from civitas.errors import CivitasError, StateConflict
from civitas.state import RevisionedStore, StateStore
from civitas.state.store import offers
from civitas.testing.state_batches import BatchTests

__all__ = ["StateStoreSuite"]

_OPTIONS = ("keys", "close", "reopen", "revisions", "batches")

_EVERYTHING: dict[str, Any] = {
    "nothing": None,
    "truth": [True, False],
    "numbers": [0, -1, 2**63 - 1, -(2**63), 0.1, -1.5e300],
    "text": ["", "grüße", "日本語", "\N{ROCKET}", "line\nline", "nul\x00"],
    "bytes": b"\x00\xff",
    "nested": {"list": [[], {}, [{"deep": [1, [2, [3]]]}]]},
    "moments": [datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), date(2026, 1, 2), timedelta(days=1)],
    "exact": [Decimal("0.10"), UUID(int=7)],
    "set": {1, 2, 3},
}

_KEYS = (
    "plain",
    "with space",
    "a/b/c",
    "civitas:step:1:2",
    "agent/conversation-42",
    "quote'\"`",
    "percent%_*?",
    "grüße/日本語",
    "k" * 500,
)


class StateStoreSuite(BatchTests):
    """The tests that every state store passes.

    Subclass it in a test module, give a fixture, and run pytest::

        class TestRedisStateStore(StateStoreSuite):
            optional = {"keys", "close"}

            @pytest.fixture
            def store(self):
                return RedisStateStore(url=...)     # fresh and empty

    The tests are async and run under pytest-asyncio, in either of its modes.

    Attributes:
        optional: What the store can do beside the three methods; each adds tests: ``keys`` (it has ``keys(prefix)``),
            ``close`` (it has ``close()``), ``reopen`` (what it stores outlives `close`: define `reopen`), ``revisions``
            (it has ``get_with_revision(key)`` and ``compare_and_set(key, value, revision)``), ``batches`` (it also has
            ``get_many(keys)`` and ``write(changes, expect={...})``).
    """

    pytestmark = pytest.mark.asyncio

    @pytest.fixture
    def store(self) -> StateStore:
        """The store under test, fresh and empty. Override it."""
        raise NotImplementedError(f"{type(self).__name__} must define a fixture named `store`")

    async def reopen(self, store: Any) -> StateStore:
        """Another store on the data of `store`, which was closed. Override it for ``optional = {"reopen"}``."""
        raise NotImplementedError(f"{type(self).__name__} must define reopen(self, store)")

    @pytest.fixture(autouse=True)
    def _known_options(self) -> None:
        unknown = set(self.optional) - set(_OPTIONS)
        if unknown:
            pytest.fail(
                f"optional holds unknown words: {sorted(unknown)}; there are {', '.join(_OPTIONS)}"
            )

    @pytest_asyncio.fixture(autouse=True)
    async def _closed_in_the_end(self, store: StateStore) -> Any:
        yield
        await _close(store)

    # Reading and writing.

    async def test_get_returns_what_set_was_given(self, store: StateStore) -> None:
        await store.set("agent", {"n": 1, "text": "hello"})
        assert await store.get("agent") == {"n": 1, "text": "hello"}

    async def test_an_absent_key_is_none(self, store: StateStore) -> None:
        assert await store.get("nobody") is None

    async def test_an_empty_dict_is_a_value(self, store: StateStore) -> None:
        await store.set("agent", {})
        assert await store.get("agent") == {}

    async def test_a_second_set_replaces_the_whole_value(self, store: StateStore) -> None:
        await store.set("agent", {"old": 1, "both": 1})
        await store.set("agent", {"new": 2, "both": 2})
        assert await store.get("agent") == {"new": 2, "both": 2}

    async def test_delete_forgets_the_key(self, store: StateStore) -> None:
        await store.set("agent", {"n": 1})
        await store.delete("agent")
        assert await store.get("agent") is None

    async def test_deleting_an_absent_key_does_nothing(self, store: StateStore) -> None:
        await store.delete("nobody")
        assert await store.get("nobody") is None

    async def test_a_deleted_key_can_be_set_again(self, store: StateStore) -> None:
        await store.set("agent", {"n": 1})
        await store.delete("agent")
        await store.set("agent", {"n": 2})
        assert await store.get("agent") == {"n": 2}

    async def test_keys_do_not_touch_each_other(self, store: StateStore) -> None:
        await store.set("a", {"n": 1})
        await store.set("ab", {"n": 2})
        await store.set("A", {"n": 3})
        await store.delete("a")
        assert await store.get("ab") == {"n": 2}
        assert await store.get("A") == {"n": 3}

    @pytest.mark.parametrize("key", _KEYS, ids=lambda key: key[:20])
    async def test_any_text_can_be_a_key(self, store: StateStore, key: str) -> None:
        await store.set(key, {"key": key})
        assert await store.get(key) == {"key": key}

    @pytest.mark.parametrize("kind", _EVERYTHING)
    async def test_plain_data_comes_back_equal(self, store: StateStore, kind: str) -> None:
        await store.set("agent", {kind: _EVERYTHING[kind]})
        assert await store.get("agent") == {kind: _EVERYTHING[kind]}

    async def test_a_megabyte_comes_back_whole(self, store: StateStore) -> None:
        value = {"text": "0123456789abcdef" * 65536}
        await store.set("agent", value)
        assert await store.get("agent") == value

    # Copies.

    async def test_changing_a_dict_after_set_changes_nothing_stored(
        self, store: StateStore
    ) -> None:
        value: dict[str, Any] = {"list": [1]}
        await store.set("agent", value)
        value["list"].append(2)
        assert await store.get("agent") == {"list": [1]}

    async def test_changing_a_dict_while_it_is_being_set_changes_nothing_stored(
        self, store: StateStore
    ) -> None:
        value: dict[str, Any] = {"list": [1]}
        setting = asyncio.ensure_future(store.set("agent", value))
        await asyncio.sleep(0)
        value["list"].append(2)
        await setting
        assert await store.get("agent") == {"list": [1]}

    async def test_changing_what_get_returned_changes_nothing_stored(
        self, store: StateStore
    ) -> None:
        await store.set("agent", {"list": [1]})
        first = await store.get("agent")
        assert first is not None
        first["list"].append(2)
        assert await store.get("agent") == {"list": [1]}

    # Refusals.

    async def test_what_is_no_plain_data_is_refused_and_the_old_value_stays(
        self, store: StateStore
    ) -> None:
        await store.set("agent", {"n": 1})
        with pytest.raises(CivitasError):
            await store.set("agent", {"connection": object()})
        assert await store.get("agent") == {"n": 1}

    # Many at once.

    async def test_concurrent_writers_lose_nothing(self, store: StateStore) -> None:
        async def write(agent: str) -> None:
            for n in range(20):
                await store.set(agent, {"n": n})
                assert await store.get(agent) == {"n": n}

        agents = [f"agent-{i}" for i in range(16)]
        await asyncio.gather(*map(write, agents))
        assert [await store.get(agent) for agent in agents] == [{"n": 19}] * 16

    async def test_of_concurrent_sets_on_one_key_the_last_to_begin_stays(
        self, store: StateStore
    ) -> None:
        await asyncio.gather(*(store.set("agent", {"n": n}) for n in range(50)))
        assert await store.get("agent") == {"n": 49}

    async def test_a_cancelled_set_leaves_the_store_usable(self, store: StateStore) -> None:
        setting = asyncio.ensure_future(store.set("agent", {"n": 1}))
        await asyncio.sleep(0)
        setting.cancel()
        await asyncio.gather(setting, return_exceptions=True)
        await store.set("agent", {"n": 2})
        assert await store.get("agent") == {"n": 2}

    # Optional: keys.

    async def test_keys_lists_what_begins_with_the_prefix_sorted(self, store: StateStore) -> None:
        keys = self._method(store, "keys")
        for key in ("b", "a/2", "a/1", "a", "A", "a%"):
            await store.set(key, {})
        assert await keys("a/") == ["a/1", "a/2"]
        assert await keys("") == sorted(["b", "a/2", "a/1", "a", "A", "a%"])
        assert await keys("zzz") == []

    async def test_keys_leaves_out_what_was_deleted(self, store: StateStore) -> None:
        keys = self._method(store, "keys")
        await store.set("a", {})
        await store.set("b", {})
        await store.delete("a")
        assert await keys("") == ["b"]

    # Optional: revisions.

    async def test_compare_and_set_replaces_what_has_the_revision(self, store: StateStore) -> None:
        get, compare_and_set = self._revisions(store)
        assert await get("agent") == (None, 0)
        first = await compare_and_set("agent", {"n": 1}, 0)
        assert await get("agent") == ({"n": 1}, first)
        second = await compare_and_set("agent", {"n": 2}, first)
        assert await get("agent") == ({"n": 2}, second)

    async def test_compare_and_set_leaves_what_somebody_else_wrote(self, store: StateStore) -> None:
        get, compare_and_set = self._revisions(store)
        seen = await compare_and_set("agent", {"n": 1}, 0)
        await store.set("agent", {"n": 2})
        for stale in (seen, 0):
            with pytest.raises(StateConflict):
                await compare_and_set("agent", {"n": 3}, stale)
        assert await store.get("agent") == {"n": 2}
        await compare_and_set("agent", {"n": 4}, (await get("agent"))[1])
        assert await store.get("agent") == {"n": 4}

    async def test_compare_and_set_knows_a_value_that_was_deleted_and_set_again(
        self, store: StateStore
    ) -> None:
        _, compare_and_set = self._revisions(store)
        seen = await compare_and_set("agent", {"n": 1}, 0)
        await store.delete("agent")
        with pytest.raises(StateConflict):
            await compare_and_set("agent", {"n": 1}, seen)
        await store.set("agent", {"n": 1})
        with pytest.raises(StateConflict):
            await compare_and_set("agent", {"n": 1}, seen)

    async def test_of_those_who_compare_and_set_at_once_one_succeeds(
        self, store: StateStore
    ) -> None:
        get, compare_and_set = self._revisions(store)
        await store.set("agent", {"n": 0})
        _, seen = await get("agent")
        results = await asyncio.gather(
            *(compare_and_set("agent", {"n": n}, seen) for n in range(1, 9)),
            return_exceptions=True,
        )
        assert sum(isinstance(result, StateConflict) for result in results) == 7
        assert (await get("agent"))[1] in results

    # Optional: close.

    async def test_close_may_be_called_twice(self, store: StateStore) -> None:
        close = self._method(store, "close")
        await store.set("agent", {"n": 1})
        await close()
        await close()

    async def test_a_store_that_was_never_used_can_be_closed(self, store: StateStore) -> None:
        await self._method(store, "close")()

    # Optional: reopen.

    async def test_what_was_set_is_there_after_reopening(self, store: StateStore) -> None:
        self._needs("reopen")
        await store.set("kept", {"n": 1})
        await store.set("gone", {"n": 1})
        await store.delete("gone")
        await _close(store)
        again = await self.reopen(store)
        try:
            assert await again.get("kept") == {"n": 1}
            assert await again.get("gone") is None
        finally:
            await _close(again)

    def _method(self, store: StateStore, name: str) -> Callable[..., Any]:
        self._needs(name)
        method: Callable[..., Any] = getattr(store, name)
        return method

    def _revisions(self, store: StateStore) -> tuple[Callable[..., Any], Callable[..., Any]]:
        self._needs("revisions")
        assert offers(store, RevisionedStore)
        revisioned = cast(RevisionedStore, store)
        return revisioned.get_with_revision, revisioned.compare_and_set


async def _close(store: StateStore) -> None:
    close = getattr(store, "close", None)
    if close is not None:
        await close()
