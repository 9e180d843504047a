"""`civitas top`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from civitas.cli.acting import DONE
from civitas.cli.console import stdout
from civitas.cli.reaching import System, acting_user, running_system
from civitas.cli.top.board import Act, Board
from civitas.cli.top.choosing import Choice, chosen
from civitas.cli.top.drawing import drawn, listed
from civitas.cli.top.typed import Typed
from civitas.cli.windows import blocked_root, in_words, inspected, unless_blocked
from civitas.control.client import RemoteError
from civitas.errors import CivitasError, NodeDown

__all__ = ["watch"]

_REFRESH = 1.0
_PATIENCE = 5.0


def watch(topology: Path, choice: Choice, *, once: bool, as_json: bool) -> None:
    """Show the agents of the running system, once or until it stops or somebody leaves.

    Args:
        topology: The topology.
        choice: Which agents, and in which order.
        once: Whether to print them and end; without a terminal that is all there is.
        as_json: Whether to print them as JSON and end.

    Raises:
        CivitasError: The system does not run, or did not answer at all.
    """
    with suppress(KeyboardInterrupt, asyncio.CancelledError):  # that is how one leaves
        asyncio.run(_watch(topology, choice, once=once, as_json=as_json))


async def _watch(topology: Path, choice: Choice, *, once: bool, as_json: bool) -> None:
    async with running_system(topology) as system:
        overview = await unless_blocked(topology, system, "overview")
        console = stdout()
        rows = chosen(overview["agents"], choice)
        if as_json:
            print(json.dumps({**overview, "agents": [agent for _, agent in rows]}))
            return
        if once or not console.is_terminal:
            console.print(listed(overview, rows, console.width))
            return
        board = Board(choice)
        board.see(overview)
        ended = await _Top(topology, system, board).follow()
    if ended:
        console.print(f"{topology}: {ended}", markup=False)


class _Top:
    """The live screen: asks the system once a second, takes keys, and does what they want.

    Args:
        topology: The topology.
        system: It runs.
        board: What is shown.
    """

    def __init__(self, topology: Path, system: System, board: Board) -> None:
        self._topology = topology
        self._system = system
        self._board = board
        self._console = Console(highlight=False, emoji=False)
        self._live = Live(console=self._console, auto_refresh=False, screen=True)
        self._typed = Typed()
        self._silent = ""
        self._look_now = asyncio.Event()
        self._acting: set[asyncio.Task[None]] = set()

    async def follow(self) -> str:
        """Go on until the system stops, or somebody leaves; why it ended, empty if somebody left."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        loop.add_signal_handler(signal.SIGTERM, task.cancel)  # so that the cursor is shown again
        loop.add_signal_handler(signal.SIGWINCH, self._draw)
        loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        with self._live, self._typed:
            self._draw()
            parts = {
                asyncio.create_task(each) for each in (self._ask(), self._take(), self._look())
            }
            try:
                done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
                return "".join(each.result() for each in done)
            finally:
                for each in (*parts, *self._acting):
                    each.cancel()
                await asyncio.gather(*parts, *self._acting, return_exceptions=True)

    def _draw(self) -> None:
        size = self._console.size
        self._live.update(drawn(self._board, size.width, size.height, self._silent), refresh=True)

    def _suspend(self) -> None:
        """Give the terminal back while the shell has stopped this process."""
        self._typed.__exit__()
        self._live.stop()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._live.start()
        self._typed.__enter__()
        self._draw()

    async def _ask(self) -> str:
        """Ask the system again and again what has changed."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_REFRESH)
            asked = loop.time()
            since = self._board.about["version"]
            answer = asyncio.create_task(self._system.request("overview", since=since))
            try:
                while not (await asyncio.wait({answer}, timeout=_REFRESH))[0]:
                    blocked = await blocked_root(self._topology, self._system)
                    why = f": {in_words(blocked)}" if blocked is not None else ""
                    self._silent = f"no answer for {loop.time() - asked:.0f} s{why}"
                    self._draw()
                self._silent = ""
                self._board.see(answer.result())
            except (NodeDown, RemoteError):  # gone, or in the last moment of stopping
                return "the system stopped"
            finally:
                answer.cancel()
            self._draw()

    async def _take(self) -> str:
        """Take one key after another, until one wants to leave."""
        while not self._board.over:
            act = self._board.press(await self._typed.next())
            if act is not None:
                self._begin(self._act(act))
            if self._board.looks_into is not None and self._board.inspected is None:
                self._look_now.set()
            self._draw()
        return ""

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._acting.add(task)
        task.add_done_callback(self._acting.discard)

    async def _act(self, act: Act) -> None:
        """Do what somebody wants, by a way of its own: it may take long."""
        board = self._board
        board.say(f"{act.action} {act.on!r}…")
        on: dict[str, Any] = {"run": act.on} if act.action == "cancel" else {"name": act.on}
        try:
            async with running_system(self._topology) as system:
                done = await system.request(act.action, by=acting_user("top"), **on)
            if done is False:
                why = "it is over, or its agent is not durable"
                board.say(f"{act.on!r} cannot be cancelled: {why}", failed=True)
            else:
                board.say(f"{act.on}: {DONE.get(act.action, 'cancelled')}")
        except CivitasError as error:
            board.say(str(error), failed=True)
        self._draw()

    async def _look(self) -> str:
        """Look into an agent as long as somebody wants to see it, by a way of its own: one may be stuck."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_REFRESH):
                    await self._look_now.wait()
            self._look_now.clear()
            name = self._board.looks_into
            if name is None:
                continue
            try:
                async with running_system(self._topology) as system:
                    found = await inspected(self._topology, system, name)
                    blocked = (found.get("blocked") or {}).get("node") == "root"
                    # A root that is blocked answers nothing behind what it was asked before.
                    runs = [] if blocked else await self._runs_of(system, name)
                self._board.look(found, runs)
            except CivitasError as error:
                self._board.refused = str(error)
            self._draw()

    async def _runs_of(self, system: System, name: str) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = await system.request("runs", within=_PATIENCE, agent=name)
        return runs
