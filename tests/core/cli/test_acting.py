"""`civitas restart`, `stop`, `start`, `pause` and `resume`."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.control import ControlServer, state_folder
from civitas.topology.state_folder import open_state_folder
from tests.core.cli.support import Result


class Echo(AgentProcess):
    async def handle(self, message: Message) -> Message | None:
        if message.payload == "hold":
            await asyncio.Event().wait()
        return self.reply(message.payload)


@pytest.mark.promise(id="SEM-1767")
async def test_each_command_does_it_and_says_who_did(
    beside: Callable[..., Awaitable[Result]], project: Callable[..., Path]
) -> None:
    topology = project("", "name: a, type: team.A", top="name: acting")
    folder = state_folder("acting", topology)
    open_state_folder(folder)
    told: list[str] = []
    tree = Supervisor("root", [Echo("a"), Echo("b", delivery="durable")])
    async with Runtime(tree, name="acting") as runtime, ControlServer(runtime, folder):
        runtime.on("acted", lambda event: told.append(event.message))

        async def done(*words: str) -> str:
            result = await beside(words[0], topology, *words[1:])
            assert (result.code, result.err) == (0, "")
            return result.out.strip()

        assert await done("pause", "a") == "a: paused"
        assert await done("resume", "a") == "a: resumed"
        assert await done("stop", "a") == "a: stopped"
        assert await done("start", "a") == "a: started"
        assert await done("restart", "a") == "a: restarted"
        assert (await runtime.ask("a", 1)).payload == 1
        await runtime.send("b", "hold", run="order-17")
        cancelled = await beside("runs", "cancel", topology, "order-17")
        near = await beside("restart", topology, "aa")
        root = await beside("stop", topology, "root")
    user = pwd.getpwuid(os.getuid()).pw_name
    assert [each.partition("@")[0] for each in told] == [
        *(f"{what} of 'a' by {user}" for what in ("pause", "resume", "stop", "start", "restart")),
        f"cancel of 'order-17' by {user}",
    ]
    assert told[-2].endswith("(civitas restart)")
    assert told[-1].endswith("(civitas runs cancel)")
    assert (cancelled.code, cancelled.err) == (0, "")
    assert (near.code, near.out) == (1, "")
    assert "there is no agent or supervisor 'aa'; did you mean 'a'?" in near.err
    assert "'root' is the root of the tree" in root.err
