"""Who else uses a file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from civitas.launch import InUse


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "s.db"


async def test_the_first_is_alone_until_it_shares(file):
    first, second, third = (InUse(file) for _ in range(3))
    assert await first.join()
    joining = asyncio.create_task(second.join())
    await asyncio.sleep(0)
    assert not joining.done()
    first.share()
    assert not await joining
    first.leave()
    assert not await third.join()


async def test_the_last_who_leaves_removes_the_lock(file):
    first, second = InUse(file), InUse(file)
    await first.join()
    first.share()
    await second.join()
    first.leave()
    assert [each.name for each in file.parent.iterdir()] == ["s.db.lock"]
    second.leave()
    assert not list(file.parent.iterdir())
    assert await first.join()
    first.leave()


async def test_a_forked_child_does_not_use_it(file):
    first, second = InUse(file), InUse(file)
    await first.join()
    beginning, end = os.pipe()
    if (child := os.fork()) == 0:
        os.close(end)
        os.read(beginning, 1)
        os._exit(0)
    first.leave()
    assert await second.join()
    second.leave()
    os.close(beginning)
    os.close(end)
    os.waitpid(child, 0)  # noqa: ASYNC222


async def test_where_no_lock_can_be_made_others_may_be_there(file):
    nowhere = InUse(file / "below" / "s.db")
    assert not await nowhere.join()
    nowhere.share()
    nowhere.leave()
