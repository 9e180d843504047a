"""The order in which agents of several OS processes start and stop, and what they may do meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from civitas import Runtime, StartFailed
from tests.integration.wire.conftest import PLACES, System, agent, topology


@pytest.mark.promise(id="SEM-880")
async def test_children_start_left_to_right_and_stop_right_to_left_over_all_processes(
    tmp_path: Path,
) -> None:
    file = tmp_path / "order"
    letters = "wrvrwvw"
    names = [f"{letter}-{place}" for place, letter in enumerate(letters)]
    children = [agent(name, "Writes", PLACES[name[0]], args={"file": str(file)}) for name in names]
    inner = {"supervisor": {"name": "inner", "children": children[2:5]}}
    async with Runtime.from_config(topology(*children[:2], inner, *children[5:])):
        started = file.read_text().splitlines()
    stopped = file.read_text().splitlines()[len(started) :]
    assert started == [f"start {name}" for name in names]
    assert stopped == [f"stop {name}" for name in reversed(names)]


@pytest.mark.promise(id="SEM-880")
async def test_an_agent_that_starts_may_send_to_later_ones_and_ask_earlier_ones_anywhere() -> None:
    children = []
    for letter, process in PLACES.items():
        for other in PLACES:
            keys = {"sends": f"{other}_later", "asks": f"{other}_one"}
            children.append(agent(f"{letter}-to-{other}", "Greets", process, args=keys))
    later = [agent(f"{letter}_later", process=at) for letter, at in PLACES.items()]
    system = System(Runtime.from_config(topology(*children, *later)))
    async with system.runtime:
        for letter in PLACES:
            for other in PLACES:
                name = f"{letter}-to-{other}"
                await system.wrote(f"{other}_later", f"hello from {name}")
                assert await system.tell(name, "answer") == name


@pytest.mark.promise(id="SEM-880")
@pytest.mark.parametrize("process", ["worker", None])
async def test_an_agent_that_does_not_start_ends_the_start_with_its_error(
    process: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "order"
    before = agent("before", "Writes", "other", args={"file": str(file)})
    runtime = Runtime.from_config(topology(before, agent("fails", "Fails", process)))
    with pytest.raises(StartFailed) as caught:
        await runtime.start()
    assert caught.value.child == "fails"
    assert type(caught.value.cause) is LookupError
    assert str(caught.value.cause) == "nothing there"
    assert file.read_text().splitlines() == ["start before", "stop before"]


@pytest.mark.promise(id="SEM-1163")
async def test_an_agent_that_never_gets_ready_fails_within_the_start_timeout_of_its_process(
    tmp_path: Path,
) -> None:
    file = tmp_path / "starts"
    lingers = agent("lingers", "Lingers", "slow", args={"file": str(file)})
    for seconds in (3, 12, 30):  # it covers the start of the interpreter, too
        runtime = Runtime.from_config(
            topology(lingers, processes={"slow": {"start_timeout": seconds}})
        )
        with pytest.raises(StartFailed) as caught:
            await runtime.start()
        if file.exists():
            break
    assert caught.value.child == "lingers"
    assert type(caught.value.cause) is TimeoutError
    assert f"within the start_timeout of process 'slow', {seconds} s" in str(caught.value.cause)
    assert file.read_text() == "start\n"


@pytest.mark.promise(id="SEM-880")
async def test_a_runtime_of_several_processes_can_be_started_again() -> None:
    runtime = Runtime.from_config(topology())
    pids = set()
    for _ in range(2):
        async with runtime:
            pids.add(await System(runtime).tell("w_one", "where"))
            assert (await System(runtime).ask("w_one", "v_one", 1))["payload"] == 1
    assert len(pids) == 2
