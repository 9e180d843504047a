"""What the tests of long records have in common."""

from __future__ import annotations

from typing import Any

import pytest

from civitas.state import InMemoryStateStore
from civitas.state.in_order import is_piece
from civitas.state.long_record import LongRecord
from tests.core.state.few_methods import FewMethods, WithBatches, WithRevisions

__all__ = ["KEY", "STORES", "every_kind", "every_kind_with_revisions", "kept", "pieces", "turn"]

KEY = "civitas:conversation:a/b"
STORES = (FewMethods, WithRevisions, WithBatches)
every_kind = pytest.mark.parametrize("kind", STORES, ids=lambda kind: kind.__name__)
every_kind_with_revisions = pytest.mark.parametrize(
    "kind", STORES[1:], ids=lambda kind: kind.__name__
)


def turn(n: int, size: int = 4000) -> list[dict[str, Any]]:
    """A question and an answer."""
    text = f"{n:06}".ljust(size // 2, ".")
    return [{"role": "user", "content": text}, {"role": "assistant", "content": text}]


async def pieces(store: InMemoryStateStore) -> int:
    """How many pieces are kept."""
    return sum(map(is_piece, await store.keys()))


async def kept(store: Any) -> tuple[Any, Any, Any]:
    """What is kept: facts, lists and values."""
    found = await LongRecord.load(store, KEY)
    return found.facts, found.lists, found.values
