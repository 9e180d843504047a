"""Several `civitas run` of one system, as on several machines: they share no file but what a test gives them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

from tests.integration.nats.conftest import ROOT

__all__ = ["Root", "roots"]

PATIENCE = 40.0


class Root:
    """One `civitas run`.

    Args:
        folder: Of its topology, and for its state folder.
        config: The topology.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "topology.yaml").write_text(json.dumps(config))
        self.log = folder / "log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> Self:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "civitas.cli", "run", "topology.yaml"),
                cwd=self.folder,
                env=self._environment(),
                stdout=log,
                stderr=log,
            )
        return self

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(self.folder),
            "HOME": str(self.folder),
        }

    async def says(self, pattern: str) -> re.Match[str]:
        """Wait until its output holds this."""
        async with asyncio.timeout(PATIENCE):
            while not (found := re.search(pattern, self.text())):
                assert self._process is not None
                assert self._process.returncode is None, self.text()
                await asyncio.sleep(0.02)
        return found

    def text(self) -> str:
        return self.log.read_text()

    async def civitas(self, *command: str) -> str:
        """What the command line says to this root."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "civitas.cli", *command),
            cwd=self.folder,
            env=self._environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return said.decode()

    async def ask(self, name: str, payload: Any = None, *, type: str = "message") -> Any:
        said = await self.civitas(
            "ask", "topology.yaml", name, json.dumps(payload), "--type", type, "--timeout", "20"
        )
        try:
            return json.loads(said)
        except ValueError:
            raise AssertionError(f"{said}\n{self.text()}") from None

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    async def ended(self) -> int:
        assert self._process is not None
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    async def close(self) -> None:
        if self._process is not None and self._process.returncode is None:
            for number in (signal.SIGCONT, signal.SIGTERM):
                with suppress(ProcessLookupError):
                    self.signal(number)
            try:
                async with asyncio.timeout(10):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


@asynccontextmanager
async def roots(
    folder: Path, config: Mapping[str, Any], count: int = 2
) -> AsyncIterator[list[Root]]:
    """Several of one system; the first leads, and the others wait."""
    made = [Root(folder / f"root{number}", config) for number in range(count)]
    try:
        for number, root in enumerate(made):
            await root.start()
            await root.says(" waiting " if number else " ready ")
        yield made
    finally:
        await asyncio.gather(*(root.close() for root in made))
