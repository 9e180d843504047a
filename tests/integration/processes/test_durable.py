"""Durable agents in OS processes of their own: the root keeps what anybody sends them, in the state store."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from civitas import AskTimeout, Runtime
from tests.house.project import ROOT
from tests.integration.processes.system import kill, until

HERE = "tests.integration.processes.durable_cast"


def config(folder: Path) -> dict[str, Any]:
    """A durable agent and a pool in a process, one in the root, and senders beside them and elsewhere."""
    kept: dict[str, Any] = {
        "type": f"{HERE}.Keeper",
        "heard": str(folder / "heard"),
        "delivery": "durable",
    }
    kept["max_deliveries"] = 2
    return {
        "name": "durable",
        "state": {"type": "sqlite", "path": str(folder / "state.db")},
        "runtime": {"drain_timeout": 2},
        "supervision": {
            "max_restarts": 100,
            "backoff_base": 0.001,
            "children": [
                {"agent": {"name": "far", "process": "w", **kept}},
                {"agent": {"name": "leaver", "process": "w", **kept, "cancel_on_timeout": True}},
                {"agent": {"name": "near", **kept}},
                {"conversation_pool": {"name": "pool", "process": "w", **kept}},
                {"agent": {"name": "beside", "type": f"{HERE}.Teller", "process": "w"}},
                {"agent": {"name": "elsewhere", "type": f"{HERE}.Teller", "process": "v"}},
            ],
        },
    }


async def told(runtime: Runtime, by: str, how: str, to: str, payload: Any, **more: Any) -> Any:
    given = {"to": to, "payload": payload, **more}
    return (await runtime.ask(by, given, how, timeout=15)).payload


@pytest.mark.promise(id="SEM-1616")
@pytest.mark.promise(id="SEM-1622")
@pytest.mark.promise(id="SEM-1644")
@pytest.mark.timeout(60)
async def test_whoever_sends_to_a_durable_agent_is_answered_as_by_any_other(tmp_path: Path) -> None:
    async with Runtime.from_config(config(tmp_path)) as runtime:
        for by in ("beside", "elsewhere"):
            for to in ("far", "near", "pool"):
                run = f"{by} {to}"
                assert await told(runtime, by, "ask", to, 1, run=run) == [1, run]
                assert await told(runtime, by, "ask", to, 1, run=run) == [1, run]
                assert await told(runtime, by, "ask", to, 2, run=run) == ["RunConflict", run]
                assert await told(runtime, by, "send", to, 2, run=run) == ["RunConflict", run]
                assert await told(runtime, by, "send", to, 3, run=f"{run} sent") == "sent"
                assert (await runtime.result(f"{run} sent")).payload == 3
                read = await told(runtime, by, "stream", to, 4, what="emit")
                assert read == [*range(150), 4]
                failed = await told(runtime, by, "ask", to, 5, what="crash", run=f"{run} failed")
                assert failed[0] == "HandlerFailed"
        late = await told(runtime, "elsewhere", "ask", "far", 6, what="slow", timeout=0.05)
        assert late[0] == "AskTimeout"
        assert (await runtime.result(late[1])).payload == 6
        for to in ("far", "pool"):
            await runtime.send(to, 8, "in a step", run=f"{to} waits")
        await until(lambda: [each.step for each in runtime.runs("running")] == ["wait"] * 2)
        assert all([await runtime.cancel(f"{to} waits") for to in ("far", "pool")])
        with pytest.raises(AskTimeout):
            await runtime.ask("leaver", 9, "in a step", timeout=0.2)
        await until(lambda: [each.status for each in runtime.runs(agent="leaver")] == ["expired"])
        # Who is killed while it waits has not given up: what it asked for goes on.
        asking = asyncio.create_task(
            told(runtime, "elsewhere", "ask", "far", 7, what="slow", run="of one that is gone")
        )
        await until(lambda: any(info.run == "of one that is gone" for info in runtime.runs()))
        kill(runtime, "elsewhere")
        assert (await runtime.result("of one that is gone")).payload == 7
        await asyncio.gather(asking, return_exceptions=True)
    handled = (tmp_path / "heard").read_text().splitlines()
    assert [line for line in handled if line.split()[1] != "5" and line[-1] != "0"] == []


_PROGRAM = """
import asyncio, sys
from pathlib import Path
from civitas import Runtime
from tests.core.support import error_of
from tests.integration.processes.test_durable import config, told

async def main(folder, start):
    async with Runtime.from_config(config(folder)) as runtime:
        if start == 0:
            await told(runtime, "beside", "send", "far", "hold", what="until then")
            await told(runtime, "beside", "send", "far", "timed", what="later")
            await told(runtime, "beside", "send", "far", "first", what="kill all", run="first")
            await told(runtime, "elsewhere", "send", "far", "poison", what="kill all", run="poison")
            for n in range(5):
                await told(runtime, "elsewhere", "send", "far", n)
                await told(runtime, "beside", "send", "pool", n, run=f"pool {n}")
            await told(runtime, "elsewhere", "send", "far", "last", run="last")
            (folder / "all are sent").touch()
        await runtime.result("last", timeout=10)
        while not runtime.runs("done", "near"):
            await asyncio.sleep(0.005)
        print(*{str(info.status) for info in runtime.runs()}, (await error_of(runtime.result("poison"))))

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


def _started(folder: Path, start: int) -> tuple[int, str]:
    """How the program ended, and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, folder, str(start)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.promise(id="SEM-1623")
@pytest.mark.promise(id="SEM-1670")
@pytest.mark.promise(id="SEM-1681")
@pytest.mark.timeout(90)
def test_root_and_workers_that_are_killed_together_go_on_with_what_members_sent(
    tmp_path: Path,
) -> None:
    for start in range(6):
        code, said = _started(tmp_path, start)
        if code != -signal.SIGKILL:
            break
    assert code == 0, said
    handled = [line.split() for line in (tmp_path / "heard").read_text().splitlines()]
    # What was in hand at the kills of everything counts, though it was in hand of a worker.
    assert [attempt for _, payload, attempt in handled if payload == "first"] == ["0", "1"]
    assert [attempt for _, payload, attempt in handled if payload == "poison"] == ["0", "1"]
    assert [attempt for _, payload, attempt in handled if payload == "probed"] == ["1"]
    # A kill may meet `near` while it handles that; each delivery is another one then.
    timed = [attempt for name, payload, attempt in handled if (name, payload) == ("near", "timed")]
    assert timed
    assert len(set(timed)) == len(timed)
    others = [payload for name, payload, _ in handled if name == "far" and payload.isdigit()]
    assert others == sorted(others)
    assert "its program was killed each of the 2 times" in said
    assert "accepted" not in said
    assert list(tmp_path.glob("*.runs")) == []
