"""What is counted of the runs of frameworks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.errors import HandlerFailed
from civitas.frameworks import Interrupted, Run
from civitas.telemetry import names
from tests.core.frameworks.machine import Machine, MachineAgent
from tests.core.frameworks.support import running
from tests.core.telemetry.support import Metered


class Ends(MachineAgent):
    """Ends as it is told to."""

    async def run_framework(self, run: Run) -> Any:
        match run.payload:
            case "fail":
                raise ValueError("no")
            case "hang":
                await asyncio.Event().wait()
            case "ask":
                return Interrupted([{"id": "q1", "value": "sure?"}])
        return "done"


@pytest.mark.promise(id="SEM-1703")
async def test_runs_are_counted_by_how_they_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    metered = Metered(monkeypatch)
    agents = [Ends(name, machine=Machine(), progress_timeout=0.05) for name in ("m", "n")]
    async with running(*agents) as runtime:
        for payload in ("do", "do", "ask"):
            await runtime.ask("m", payload, conversation=payload)
        for payload in ("fail", "hang"):
            with pytest.raises(HandlerFailed):
                await runtime.ask("m", payload)
        leaving = asyncio.create_task(runtime.ask("n", "hang"))
        while (await runtime.inspect("n"))["handling"] is None:
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        counted: dict[str, float] = {}
        while counted.get("cancelled") is None:
            counted = {
                about[names.RUN_STATUS]: count for about, count in metered.points()[names.RUNS]
            }
            await asyncio.sleep(0)
    assert counted == {"done": 2, "interrupted": 1, "failed": 1, "stuck": 1, "cancelled": 1}
