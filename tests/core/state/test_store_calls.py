"""What `StoreCalls` does for a store on a server."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from civitas.errors import StateStoreError
from civitas.state import StoreCalls


class Server:
    """Takes what it is told, when it is let."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.open = asyncio.Event()

    async def __call__(self, word: str) -> str:
        await self.open.wait()
        self.told.append(word)
        return word


def away() -> StateStoreError:
    return StateStoreError("it is away", transient=True)


@pytest.mark.promise(id="SEM-1856")
async def test_calls_on_one_key_run_in_the_order_in_which_they_began():
    calls, server = StoreCalls("x"), Server()
    keys = ["a", "b"], ["b"], ["a"], ["b", "c"], ["c"]
    running = [
        asyncio.ensure_future(calls.run(partial(server, str(n)), keys=each))
        for n, each in enumerate(keys)
    ]
    await calls.run(lambda: asyncio.sleep(0), keys=["d"])  # held up by nobody
    assert server.told == []
    server.open.set()
    assert await asyncio.gather(*running) == ["0", "1", "2", "3", "4"]
    for one, other in ("01", "02", "13", "34"):
        assert server.told.index(one) < server.told.index(other)


@pytest.mark.promise(id="SEM-1856")
async def test_an_attempt_is_made_again_while_the_store_is_away(caplog):
    answers = [away(), away(), None]

    async def attempt() -> str:
        if (error := answers.pop(0)) is not None:
            raise error
        return "done"

    assert await StoreCalls("the state store x").run(attempt) == "done"
    first, last = [record.getMessage() for record in caplog.records]
    assert first == "waiting for the state store, up to 10 s: it is away"
    assert last.startswith("the state store x is back after ")


@pytest.mark.promise(id="SEM-1856")
async def test_one_that_stays_away_is_an_error_when_the_time_is_up():
    async def attempt() -> None:
        raise away()

    with pytest.raises(StateStoreError, match="it is away"):
        await asyncio.wait_for(StoreCalls("x", timeout=0.05).run(attempt), 5)


@pytest.mark.promise(id="SEM-1856")
async def test_what_waiting_does_not_help_is_an_error_at_once():
    tries = []

    async def attempt() -> None:
        tries.append(1)
        raise StateStoreError("wrong password")

    with pytest.raises(StateStoreError, match="wrong password"):
        await StoreCalls("x").run(attempt)
    assert tries == [1]


@pytest.mark.promise(id="SEM-1856")
async def test_a_call_whose_caller_is_cancelled_is_finished_in_its_turn():
    calls, server = StoreCalls("x"), Server()
    first = asyncio.ensure_future(calls.run(lambda: server("first"), keys=["a"]))
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.ensure_future(calls.run(lambda: server("second"), keys=["a"]))
    server.open.set()
    await second
    assert server.told == ["first", "second"]


@pytest.mark.promise(id="SEM-1856")
async def test_one_that_fails_holds_up_nobody():
    calls = StoreCalls("x")

    async def attempt() -> None:
        raise StateStoreError("no")

    async def fine() -> str:
        return "fine"

    failing, after = await asyncio.gather(
        calls.run(attempt, keys=["a"]), calls.run(fine, keys=["a"]), return_exceptions=True
    )
    assert isinstance(failing, StateStoreError)
    assert after == "fine"


@pytest.mark.promise(id="SEM-1856")
async def test_closing_waits_for_what_was_begun_and_refuses_the_rest_until_it_is_opened_again():
    calls, server = StoreCalls("the state store x"), Server()
    running = asyncio.ensure_future(calls.run(lambda: server("told"), keys=["a"]))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(calls.close())
    await asyncio.sleep(0)
    with pytest.raises(StateStoreError, match="the state store x is closed"):
        await calls.run(lambda: server("late"))
    server.open.set()
    await closing
    assert await running == "told"
    await calls.close()
    calls.open()
    assert await calls.run(lambda: server("again")) == "again"
