"""Whether a process that says hello is taken in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from civitas.cluster.frames import CLUSTER_VERSION
from civitas.cluster.members.admission import (
    Epoch,
    Hello,
    comes_back,
    deployed_otherwise,
    is_of_another_version,
    refusal,
)
from civitas.cluster.members.roster import Member
from civitas.cluster.peers import Peer
from civitas.errors import ConfigurationError
from civitas.launch import ProcessOptions

NOW = Epoch(ending=False, civitas="9.9", names=("w", "v"))
HELLO = Hello(CLUSTER_VERSION, "9.9", "w", "ipc:///w", pid=7, pid_space="here", token="t")


class NoLink:
    """A way that leads nowhere."""

    def send(self, frame: bytes, *, urgent: bool = False) -> None: ...

    def close(self) -> None: ...

    async def flushed(self) -> None: ...


def member(*, there: bool = False, start: bool = True) -> Member:
    one = Member("w", ProcessOptions(start=start), token="t")
    if there:
        one.arrived(Peer("w", "boot", "ipc:///w", NoLink(), "root"), 7, "here")
    return one


@pytest.mark.parametrize(
    ("hello", "known", "epoch", "why"),
    [
        (HELLO, member(), NOW, ""),
        (replace(HELLO, token=""), member(start=False), NOW, ""),
        (replace(HELLO, version=1), member(), NOW, "Upgrade civitas-core there"),
        (replace(HELLO, version=99), member(), NOW, "Upgrade civitas-core at the root"),
        (HELLO, member(), replace(NOW, ending=True), "the runtime stops"),
        (replace(HELLO, name="x"), None, NOW, "has no process 'x'; it has: v, w"),
        (replace(HELLO, joined=True), member(start=False), NOW, "could not be reached for a while"),
        (HELLO, member(there=True), NOW, "there is already a process 'w' (pid 7)"),
        (replace(HELLO, token="other"), member(), NOW, "is started by the root"),
    ],
)
def test_who_is_taken_in(hello: Hello, known: Member | None, epoch: Epoch, why: str) -> None:
    said = refusal(hello, known, epoch)
    assert why in said
    assert bool(said) == bool(why)


@pytest.mark.parametrize(
    ("hello", "known", "comes"),
    [
        (HELLO, member(there=True), True),
        (HELLO, member(), False),
        (HELLO, None, False),
        (replace(HELLO, pid=8), member(there=True), False),
        (replace(HELLO, pid_space="there"), member(there=True), False),
        (replace(HELLO, token="other"), member(there=True), False),
        (replace(HELLO, token="other"), member(there=True, start=False), True),
        (replace(HELLO, joined=True), member(there=True), False),
        (replace(HELLO, version=1), member(there=True), False),
    ],
)
def test_who_lost_the_root_and_comes_back(hello: Hello, known: Member | None, comes: bool) -> None:
    assert comes_back(hello, known) is comes


def test_without_a_seal_one_of_another_version_that_the_root_started_is_told_so() -> None:
    old = replace(HELLO, version=1)
    assert is_of_another_version(old, member())
    assert not is_of_another_version(HELLO, member())
    assert not is_of_another_version(replace(old, token="other"), member())
    assert not is_of_another_version(old, member(start=False))
    assert not is_of_another_version(old, None)


@pytest.mark.parametrize(
    "wrong",
    [{"version": "4"}, {"name": ["w"]}, {"token": None}, {"pid": "7"}, {"pid_space": 1}],
)
def test_a_hello_of_other_types_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Hello.of({**HELLO.plain(), **wrong})


def test_a_hello_of_a_newer_version_may_say_more_and_of_an_older_less() -> None:
    assert Hello.of({**HELLO.plain(), "more": 1}) == HELLO
    few = {key: HELLO.plain()[key] for key in ("version", "civitas", "name", "address", "token")}
    assert Hello.of(few).pid == 0


@pytest.mark.promise(id="SEM-1726")
@pytest.mark.parametrize(
    ("topology", "civitas", "words"),
    [
        ("of root", "9.9", []),
        ("", "", []),  # an older one does not say
        ("another", "9.9", ["another version of the topology"]),
        ("of root", "9.8", ["civitas-core 9.8, the root has 9.9"]),
        ("another", "9.8", ["another version of the topology", "civitas-core 9.8"]),
    ],
)
def test_what_a_process_has_that_the_root_has_not(
    topology: str, civitas: str, words: list[str]
) -> None:
    joined = member(there=True)
    joined.topology, joined.civitas = topology, civitas
    said = deployed_otherwise(joined, "of root", "9.9")
    assert bool(said) == bool(words)
    assert all(each in said for each in words)
