"""The part of `StateStoreSuite` for stores that read and write many keys at once."""

# ruff: noqa: D102  (the name of a test is its sentence)

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

import pytest

from civitas.errors import CivitasError, StateConflict
from civitas.state import BatchStore, StateStore
from civitas.state.store import offers

__all__ = ["BatchTests"]


class BatchTests:
    """The tests of what `BatchStore` says.

    Attributes:
        optional: What the store can do beside the three methods.
    """

    optional: ClassVar[set[str]] = set()

    async def test_get_many_returns_what_is_there(self, store: StateStore) -> None:
        batches = self._batches(store)
        await store.set("a", {"n": 1})
        await store.set("b/%'", {"n": 2})
        assert await batches.get_many(["b/%'", "a", "nobody"]) == {"a": {"n": 1}, "b/%'": {"n": 2}}
        assert await batches.get_many([]) == {}

    async def test_a_batch_sets_and_deletes(self, store: StateStore) -> None:
        batches = self._batches(store)
        await store.set("old", {"n": 1})
        await store.set("gone", {"n": 1})
        written = await batches.write(
            {"old": {"n": 2}, "new": {"n": 3}, "gone": None, "none": None}
        )
        assert set(written) == {"old", "new"}
        assert await batches.get_with_revision("old") == ({"n": 2}, written["old"])
        assert await batches.get_with_revision("new") == ({"n": 3}, written["new"])
        assert await store.get("gone") is None

    async def test_an_empty_batch_changes_nothing(self, store: StateStore) -> None:
        assert await self._batches(store).write({}) == {}

    async def test_a_batch_that_expects_another_revision_changes_nothing(
        self, store: StateStore
    ) -> None:
        batches = self._batches(store)
        seen = (await batches.write({"head": {"n": 1}}))["head"]
        await store.set("gone", {"n": 1})
        for expect in (
            {"head": seen + 1},
            {"head": 0},
            {"nobody": seen},
            {"head": seen, "gone": 0},
        ):
            with pytest.raises(StateConflict) as caught:
                await batches.write(
                    {"head": {"n": 2}, "piece": {"n": 2}, "gone": None}, expect=expect
                )
            assert expect[caught.value.key or ""] == caught.value.expected != caught.value.found
        assert await batches.get_many(["head", "piece", "gone"]) == {
            "head": {"n": 1},
            "gone": {"n": 1},
        }

    async def test_a_batch_expects_of_keys_that_it_does_not_change(self, store: StateStore) -> None:
        batches = self._batches(store)
        seen = (await batches.write({"head": {"n": 1}}))["head"]
        await batches.write({"piece": {"n": 1}}, expect={"head": seen, "nobody": 0})
        assert await batches.get_with_revision("head") == ({"n": 1}, seen)
        await batches.write({"head": None}, expect={"head": seen})
        with pytest.raises(StateConflict):
            await batches.write({"piece": {"n": 2}}, expect={"head": seen})
        assert await store.get("piece") == {"n": 1}

    async def test_a_batch_with_what_is_no_plain_data_changes_nothing(
        self, store: StateStore
    ) -> None:
        batches = self._batches(store)
        await store.set("gone", {"n": 1})
        with pytest.raises(CivitasError):
            await batches.write({"gone": None, "new": {"n": 1}, "bad": {"connection": object()}})
        assert await batches.get_many(["gone", "new", "bad"]) == {"gone": {"n": 1}}

    async def test_a_batch_may_be_large(self, store: StateStore) -> None:
        batches = self._batches(store)
        values = {f"key-{n}": {"n": n} for n in range(1500)}
        await batches.write(values)
        assert await batches.get_many(values) == values
        await batches.write(dict.fromkeys(values))
        assert await batches.get_many(values) == {}

    async def test_of_batches_that_expect_the_same_one_succeeds(self, store: StateStore) -> None:
        batches = self._batches(store)
        seen = (await batches.write({"head": {"n": 0}}))["head"]

        async def write(n: int) -> int:
            value = {"n": n}
            return (await batches.write({"head": value, "piece": value}, expect={"head": seen}))[
                "head"
            ]

        others = [store.set(f"other-{n}", {"n": n}) for n in range(8)]
        results = await asyncio.gather(
            *(write(n) for n in range(1, 9)), *others, return_exceptions=True
        )
        assert sum(isinstance(result, StateConflict) for result in results) == 7
        value, revision = await batches.get_with_revision("head")
        assert revision in results
        assert await store.get("piece") == value
        assert await store.get("other-7") == {"n": 7}

    async def test_a_reader_sees_a_batch_whole_or_not_at_all(self, store: StateStore) -> None:
        batches = self._batches(store)
        await batches.write({f"key-{n}": {"n": 0} for n in range(10)})

        async def write() -> None:
            for version in range(1, 20):
                await batches.write({f"key-{n}": {"n": version} for n in range(10)})

        writing = asyncio.ensure_future(write())
        while not writing.done():
            await asyncio.sleep(0)
            found = await batches.get_many([f"key-{n}" for n in range(10)])
            assert len({value["n"] for value in found.values()}) == 1
        await writing

    async def test_a_cancelled_batch_leaves_the_store_usable(self, store: StateStore) -> None:
        batches = self._batches(store)
        seen = (await batches.write({"other": {"n": 0}}))["other"]
        for turns in range(4):
            writing = asyncio.ensure_future(batches.write({"a": {"n": turns}, "b": {"n": turns}}))
            other = asyncio.ensure_future(
                batches.write({"other": {"n": turns}, "c": None}, expect={"other": seen})
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            seen = (await other)["other"]
            found = await batches.get_many(["a", "b"])
            assert found.get("a") == found.get("b")

    def _batches(self, store: StateStore) -> BatchStore:
        self._needs("batches")
        assert offers(store, BatchStore)
        return cast(BatchStore, store)

    def _needs(self, capability: str) -> None:
        if capability not in self.optional:
            pytest.skip(f"optional: {type(self).__name__} does not declare {capability!r}")
