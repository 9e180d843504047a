"""A loop that is held up while its process may not go on."""

from __future__ import annotations

import asyncio
import threading

from civitas.launch import FencedLoop


def test_nothing_goes_on_while_the_process_may_not_and_all_does_when_it_may():
    may, ticks = threading.Event(), []

    async def main() -> None:
        fence = asyncio.get_running_loop().fence  # type: ignore[attr-defined]
        looked = 0

        def held_up() -> None:
            nonlocal looked
            looked += 1
            if looked == 3:
                may.set()

        fence.on_held_up = held_up
        ticking = asyncio.create_task(tick())
        await asyncio.sleep(0)
        fence.guard(may.is_set)
        await asyncio.sleep(0)
        assert looked == 3
        await ticking

    async def tick() -> None:
        for n in range(3):
            ticks.append((n, may.is_set()))
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=FencedLoop) as runner:
        runner.run(main())
    assert ticks == [(0, False), (1, True), (2, True)]


def test_whoever_may_never_go_on_is_told_so_before_anything_else():
    told = []

    async def main() -> None:
        fence = asyncio.get_running_loop().fence  # type: ignore[attr-defined]
        fence.on_lost = told.append
        fence.guard(lambda: True)
        losing = threading.Thread(target=fence.lose, args=["another one leads"])
        losing.start()
        losing.join()
        assert told == []
        await asyncio.sleep(0)
        assert told == ["another one leads"]

    with asyncio.Runner(loop_factory=FencedLoop) as runner:
        runner.run(main())
