"""What a link does when the process on the other side is killed, stopped, or busy."""

from __future__ import annotations

import asyncio
import signal

HOLD = b"hold 6000000"  # seconds of one call of C


async def test_a_process_killed_with_9_is_lost(end, peer):
    here, there = await end(), await peer()
    link = here.connect(there.address)
    link.send(b"answer " + here.address.encode())
    link.send(b"hello")
    await here.has(1)
    there.process.kill()
    await here.until(lambda: here.lost == 1)


async def test_a_process_that_is_stopped_is_lost(end, peer):
    here, there = await end(), await peer()
    link = here.connect(there.address)
    link.send(b"answer " + here.address.encode())
    link.send(b"hello")
    await here.has(1)
    there.process.send_signal(signal.SIGSTOP)
    await here.until(lambda: here.lost == 1)


async def test_a_process_that_goes_on_in_time_has_missed_nothing(end, peer):
    here, there = await end(node_timeout=5.0), await peer(5.0)
    link = here.connect(there.address)
    link.send(b"answer " + here.address.encode())
    link.send(b"hello")
    await here.has(1)
    there.process.send_signal(signal.SIGSTOP)
    for number in range(2000):
        link.send(b"%d" % number)
    await asyncio.sleep(0)
    there.process.send_signal(signal.SIGCONT)
    assert (await here.has(2001))[1:] == [b"%d" % number for number in range(2000)]
    assert here.lost == 0


async def test_a_process_that_is_busy_in_c_and_flooded_is_not_lost_and_misses_nothing(end, peer):
    here, there = await end(), await peer()
    link = here.connect(there.address)
    link.send(b"answer " + here.address.encode())
    link.send(HOLD)
    await here.has(1)
    frames = [b"%d " % number + bytes(5000) for number in range(10_000)]
    for frame in frames:
        link.send(frame)
    assert (await here.has(1 + len(frames)))[1:] == [frame[:20] for frame in frames]
    assert here.lost == 0


async def test_what_a_busy_process_does_not_take_waits_at_the_sender(end, peer):
    here, there = await end(node_timeout=2.0), await peer(2.0)
    link = here.connect(there.address)
    link.send(b"answer " + here.address.encode())
    link.send(b"hello")
    await here.has(1)
    there.process.send_signal(signal.SIGSTOP)
    for number in range(10_000):
        link.send(b"%d " % number + bytes(5000))
    link.send(b"urgent", urgent=True)
    await here.until(lambda: here.lost == 1 or not link._window._others or link._pending)
    for _ in range(20):
        await asyncio.sleep(0)
    left = sum(len(frame) for batch in link._window._unanswered for frame in batch.frames)
    assert left < 4_000_000
    there.process.send_signal(signal.SIGCONT)
    assert len(await here.has(10_002)) == 10_002
