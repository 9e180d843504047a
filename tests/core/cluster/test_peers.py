"""The ways to other nodes, where what makes them is anybody's code."""

from __future__ import annotations

from typing import Any

import pytest

from civitas.cluster.door import Door
from civitas.cluster.peers import Peers, reach, way_to
from civitas.errors import ConfigurationError
from tests.core.cluster.parts import Wire


class Pigeons:
    """A transport of a plugin."""

    address = "loft"

    def __init__(self, link: Any, watch: Any = None) -> None:
        self._link = link
        self._watch = watch

    async def open(self, receive: Any, cut_off: Any = None) -> None: ...

    def connect(self, address: str) -> Any:
        return self._link

    def watch(self, address: str, back: Any, lost: Any) -> Any:
        return self._watch

    async def pump(self) -> None: ...

    async def close(self) -> None: ...


class Half:
    """A link that can only send."""

    def send(self, frame: bytes, *, urgent: bool = False) -> None: ...


@pytest.mark.promise(id="SEM-1324")
@pytest.mark.parametrize(
    ("transport", "words"),
    [
        (Pigeons(None), r"connect\(\) gave 'NoneType' instead of a Link; it has no close and no"),
        (Pigeons(Half()), r"connect\(\) gave 'Half' instead of a Link; it has no close and no flu"),
        (Pigeons(Wire()), r"watch\(\) gave 'NoneType' instead of a Watch; it has no close"),
    ],
)
def test_a_transport_that_gives_no_way_is_named(transport: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the transport 'Pigeons': {words}"):
        reach(transport, "w", "boot-w", "there", "boot-here", lambda: None)


def test_a_process_that_is_refused_is_told_by_a_way_that_is_one() -> None:
    wire = Wire()
    assert way_to(Pigeons(wire), "there") is wire
    with pytest.raises(ConfigurationError, match="instead of a Link"):
        way_to(Pigeons(None), "there")


@pytest.mark.promise(id="SEM-1324")
@pytest.mark.parametrize("address", ["", None])
async def test_a_transport_without_an_address_is_refused_when_it_is_open(address: Any) -> None:
    pigeons: Any = Pigeons(Wire())
    pigeons.address = address
    door = Door("root", Peers(), {}, {}, lambda *_: False, lambda *_: None)
    with pytest.raises(ConfigurationError, match="of node 'root' must have an address"):
        await door.open(pigeons)
