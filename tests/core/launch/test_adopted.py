"""A process that somebody else started, watched and ended."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from civitas.launch import PidWatch


@pytest.mark.skipif(sys.platform != "linux", reason="it takes a pidfd")
async def test_one_that_is_stopped_is_killed_and_its_end_is_told():
    process = await asyncio.create_subprocess_exec("sleep", "60")
    ended = asyncio.Event()
    watch = PidWatch(process.pid, ended.set)
    process.send_signal(signal.SIGSTOP)
    watch.kill()
    async with asyncio.timeout(10):
        await ended.wait()
        assert await process.wait() == -signal.SIGKILL
    watch.kill()  # nobody any more
    watch.close()
