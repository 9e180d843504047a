"""What a program tells systemd, and the probes of a container."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from civitas import ConfigurationError
from civitas.launch import Vitals


@contextmanager
def systemd(name: str) -> Iterator[socket.socket]:
    """The other side of NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        listening.settimeout(5)
        yield listening


def heard(listening: socket.socket, word: str) -> str:
    """The first of what it hears that begins with `word`."""
    while not (text := listening.recv(4096).decode()).startswith(word):
        pass
    return text


@pytest.mark.promise(id="SEM-1825")
@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_when_it_is_ready_when_it_stops_and_that_it_lives(
    tmp_path: Path, abstract: bool
) -> None:
    name = f"@civitas-{os.getpid()}" if abstract else str(tmp_path / "s")
    environment = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000"}
    with systemd(name) as listening, Vitals(environment=environment) as vitals:
        assert heard(listening, "WATCHDOG") == "WATCHDOG=1"
        vitals.ready("all agents run")
        assert heard(listening, "READY") == "READY=1\nSTATUS=all agents run"
        vitals.waiting("the root is gone")
        assert heard(listening, "STATUS") == "STATUS=the root is gone"
        vitals.stopping()
        assert heard(listening, "STOPPING") == "STOPPING=1"
        assert heard(listening, "WATCHDOG")  # it lives while it drains, too


@pytest.mark.parametrize(
    "watchdog", [{}, {"WATCHDOG_USEC": "30000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}]
)
def test_a_watchdog_that_waits_for_nobody_or_for_another_gets_nothing(
    tmp_path: Path, watchdog: dict[str, str]
) -> None:
    before = threading.active_count()
    environment = {"NOTIFY_SOCKET": str(tmp_path / "s"), **watchdog}
    with systemd(str(tmp_path / "s")), Vitals(environment=environment):
        assert threading.active_count() == before


@pytest.mark.promise(id="SEM-1826")
async def test_a_loop_that_is_stuck_for_too_long_gives_no_sign_of_life(tmp_path: Path) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "s"), "WATCHDOG_USEC": "30000"}
    with systemd(str(tmp_path / "s")) as listening, Vitals(0.1, environment) as vitals:
        vitals.watch(asyncio.get_running_loop())
        await asyncio.sleep(0)
        heard(listening, "WATCHDOG")
        listening.settimeout(0.3)  # no turn of the loop meanwhile
        with pytest.raises(TimeoutError):
            while True:
                heard(listening, "WATCHDOG")
        listening.settimeout(0.05)
        lives = False
        async with asyncio.timeout(5):
            while not lives:
                await asyncio.sleep(0.01)
                with suppress(TimeoutError):
                    lives = bool(heard(listening, "WATCHDOG"))


def test_a_loop_that_is_held_up_on_purpose_lives(tmp_path: Path) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "s"), "WATCHDOG_USEC": "30000"}
    loop = asyncio.new_event_loop()
    try:
        with systemd(str(tmp_path / "s")) as listening, Vitals(0.1, environment) as vitals:
            vitals.watch(loop)
            listening.settimeout(0.05)
            began = time.monotonic()
            lives = False
            while not lives:
                vitals.turned()  # at least once more after the machine held this up
                with suppress(TimeoutError):
                    heard(listening, "WATCHDOG")
                    lives = time.monotonic() > began + 0.3
                assert time.monotonic() < began + 5
    finally:
        loop.close()


def test_nobody_behind_the_socket_is_said_once_and_harms_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Vitals(environment={"NOTIFY_SOCKET": str(tmp_path / "gone")}) as vitals:
        vitals.ready("ready")
        vitals.stopping()
    assert [each.getMessage() for each in caplog.records] == [
        f"NOTIFY_SOCKET {tmp_path / 'gone'}: No such file or directory"
    ]


def test_a_systemd_that_was_away_for_a_moment_hears_the_next_sign_of_life(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "s"), "WATCHDOG_USEC": "30000"}
    with systemd(str(tmp_path / "s")) as listening, Vitals(environment=environment) as vitals:
        heard(listening, "WATCHDOG")
        (tmp_path / "s").rename(tmp_path / "away")
        vitals.waiting("nobody hears it")
        (tmp_path / "away").rename(tmp_path / "s")
        while listening.recv(4096) != b"STATUS=again":
            vitals.waiting("again")
        assert heard(listening, "WATCHDOG")
    assert len(caplog.records) == 1


def test_a_probe_finds_the_files_of_a_program_that_lives_and_is_ready(tmp_path: Path) -> None:
    folder = tmp_path / "health"
    with Vitals(environment={"CIVITAS_HEALTH": str(folder)}) as vitals:
        assert (folder / "alive").exists()
        assert not (folder / "ready").exists()
        vitals.ready("ready")
        assert (folder / "ready").exists()
        vitals.stopping()
        assert not (folder / "ready").exists()


def test_what_an_earlier_program_left_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "ready").touch()
    with Vitals(environment={"CIVITAS_HEALTH": str(tmp_path)}):
        assert not (tmp_path / "ready").exists()


def test_a_folder_for_probes_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigurationError, match=r"CIVITAS_HEALTH: cannot write in .*file"),
        Vitals(environment={"CIVITAS_HEALTH": str(tmp_path / "file")}),
    ):
        pass


def test_without_anybody_to_tell_there_is_no_thread() -> None:
    before = threading.active_count()
    with Vitals(environment={}) as vitals:
        vitals.ready("ready")
        assert threading.active_count() == before
