"""Two processes that cannot reach each other, while the root reaches both."""

from __future__ import annotations

import asyncio

import pytest

from civitas import HandlerFailed, Runtime
from tests.integration.processes.system import (
    Events,
    agent,
    asked_until_answered,
    kill,
    lines,
    pid_of,
    topology,
    until,
)

NODE_TIMEOUT = 1.0


def parted(*children, **supervisor):
    return topology(
        agent("a", "w", "Parted"),
        agent("b", "v", "Parted"),
        *children,
        runtime={"node_timeout": NODE_TIMEOUT},
        **supervisor,
    )


async def part(runtime: Runtime, *, both: bool) -> None:
    """Cut the way from the process of `a` to that of `b`, and perhaps the one back."""
    ways = [("a", (await runtime.ask("b", None, "where")).payload)]
    if both:
        ways.append(("b", (await runtime.ask("a", None, "where")).payload))
    for name, path in ways:
        await runtime.ask(name, path, "cut off")


@pytest.mark.promise(id="SEM-916")
@pytest.mark.parametrize("both", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("delivery", ["at_most_once", "at_least_once"])
async def test_what_they_send_each_other_goes_by_way_of_the_root(tmp_path, both, delivery):
    """Once, in order, with its answers, and no process is ended for it."""
    files = {name: tmp_path / name for name in ("in_v", "in_w", "over")}
    config = parted(
        agent("in_v", "v", "Writer", file=str(files["in_v"]), delivery=delivery),
        agent("in_w", "w", "Writer", file=str(files["in_w"]), delivery=delivery),
        agent("from_w", "w", "Sender"),
        agent("from_v", "v", "Sender"),
    )
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        pids = [pid_of(runtime, name) for name in ("a", "b")]

        async def let_send(name: str, to: str) -> int:
            order = {"to": to, "until": str(files["over"])}
            return (await runtime.ask(name, order, timeout=None)).payload

        async with asyncio.TaskGroup() as group:
            sent = {
                "in_v": group.create_task(let_send("from_w", "in_v")),
                "in_w": group.create_task(let_send("from_v", "in_w")),
            }
            await until(lambda: min(len(lines(files[each])) for each in sent) > 30)
            await part(runtime, both=both)
            # It takes a while until the loss is noticed; then it goes on.
            at_the_cut = len(lines(files["in_v"]))
            await until(lambda: len(lines(files["in_v"])) > at_the_cut + 300)
            order = {"to": "b", "type": "pid", "payload": None}
            assert (await runtime.ask("a", order, "ask")).payload == pids[1]
            files["over"].touch()
        for name, sender in (("in_v", "from_w"), ("in_w", "from_v")):
            numbers = [f"{sender} {n}" for n in range(sent[name].result())]
            assert lines(files[name]) == numbers
        assert pids == [pid_of(runtime, name) for name in ("a", "b")]
        assert events == []


@pytest.mark.promise(id="SEM-916")
async def test_when_one_of_them_is_killed_the_other_is_told(tmp_path):
    note = tmp_path / "note"
    async with Runtime.from_config(parted(max_restarts=10)) as runtime:
        order = {"to": "b", "type": "pid", "payload": None}
        await runtime.ask("a", order, "ask")
        await part(runtime, both=True)
        await runtime.ask("a", order, "ask")  # by way of the root from now on
        order = {"to": "b", "type": "hold", "payload": str(note)}
        asking = asyncio.create_task(runtime.ask("a", order, "ask"))
        await until(lambda: lines(note))
        kill(runtime, "b")
        with pytest.raises(HandlerFailed) as raised:
            await asking
        assert raised.value.error_type == "NodeDown"
        await asked_until_answered(runtime, "b")
        order = {"to": "b", "type": "pid", "payload": None}
        await asked_until_answered(runtime, "a")
        assert (await runtime.ask("a", order, "ask")).payload == pid_of(runtime, "b")
