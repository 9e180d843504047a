"""A disk that is full while a system runs: a real one, of 1 MiB."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import asyncio, logging, os, sys
from pathlib import Path
import civitas.node.dead.saved as saved, civitas.runs.ending as ending, civitas.state.patience as patience
from civitas import AgentProcess, Runtime, SQLiteStateStore, StateStoreError, Supervisor

saved._PAUSE = saved._AFTER_FAILURE = ending._AGAIN = patience.PATIENCE = 0.02
folder = Path(sys.argv[1])
ballast = folder / "ballast"
said = []

class Said(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())

class Clerk(AgentProcess):
    async def handle(self, message):
        if message.type == "crash":
            raise ValueError("it is frail")
        return self.reply(message.payload["n"])

def system():
    clerks = [Clerk("clerk", delivery="durable"), Clerk("frail")]
    tree = Supervisor("root", clerks, backoff="none", max_restarts=1000)
    return Runtime(tree, state_store=SQLiteStateStore(folder / "state.db"), drain_timeout=5)

async def until(text):
    async with asyncio.timeout(10):
        while not any(text in each for each in said):
            await asyncio.sleep(0.005)

def fill():
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            os.ftruncate(file.fileno(), file.tell() - 100_000)

async def main():
    accepted = []
    async with system() as runtime:
        await runtime.ask("clerk", {"n": -1})
        await runtime.send("frail", {"n": "before"}, "crash")
        fill()
        for n in range(1000):
            try:
                await runtime.send("clerk", {"n": n, "text": "x" * 4000}, run=f"r{n}")
            except StateStoreError as error:
                print(error)
                break
            accepted.append(n)
        await runtime.send("frail", {"n": "full", "text": "x" * 100_000}, "crash")
        await until("dead letters could not be written")
        assert [each.agent for each in await runtime.dead_letters()] == ["frail", "frail"]
        ballast.unlink()
        await until("dead letters are written to the state store again")
        assert (await runtime.ask("clerk", {"n": -2})).payload == -2
    async with system() as runtime:
        assert accepted
        assert [(await runtime.result(f"r{n}")).payload for n in accepted] == accepted
        print(*[each.payload["n"] for each in await runtime.dead_letters(payload=True)])

logging.getLogger("civitas").addHandler(Said())
asyncio.run(main())
"""


@pytest.mark.promise(id="SEM-1625")
@pytest.mark.promise(id="SEM-1728")
def test_a_full_disk_loses_neither_runs_nor_dead_letters_and_all_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    inside = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1"'
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], check=False).returncode:
        pytest.skip("needs a small file system of its own: Linux with user namespaces")
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", inside, "sh", tmp_path, sys.executable, _PROGRAM],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    error, letters = done.stdout.splitlines()
    assert "the disk is full. Free some space" in error
    assert letters == "before full"
