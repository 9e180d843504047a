"""What comes in: each body has its shape, or nothing of it is done."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgpack
import pytest

from civitas.cluster.calls import Calls
from civitas.cluster.desk import Desk
from civitas.cluster.door import Door
from civitas.cluster.facts import Facts
from civitas.cluster.failures import dump_reason
from civitas.cluster.frames import Kind, pack, unpacked
from civitas.cluster.peers import Peer, Peers
from civitas.cluster.words import CALLS, CASTS, FRAMES, RESULTS
from civitas.errors import ConfigurationError, NodeDown
from civitas.process import ExitReason
from civitas.process.failures import dump_error
from civitas.testing.memory_transport import MemoryTransport

FACTS = [str(each) if isinstance(each, str) else each for each in Facts("far", "w", "boot").plain()]
REASON = dump_reason(ExitReason.crashed(ValueError("x"), {"traceparent": "00"}, "m1"))
BODIES: dict[Kind, list[Any]] = {
    Kind.MESSAGE: ["far", b"raw", None, 0, "w", False, False],
    Kind.ANSWER: ["id", b"raw"],
    Kind.REFUSAL: ["id", dump_error(NodeDown("far", "w", "it is down"))],
    Kind.SETTLED: [["id"]],
    Kind.WITHDRAW: ["far", "id", True],
    Kind.CHUNK: ["id", b"raw"],
    Kind.CHUNKS: ["id", b"raw"],
    Kind.ROOM: ["id", 10],
    Kind.PROBE: ["id", "w", ["a", "b"], "edge"],
    Kind.PARCEL: ["boot", [b"batch"]],
    Kind.HOLD: [b"raw"],
    Kind.CALL: [1, "whereis", [["far"]]],
    Kind.RETURN: [1, True, None],
    Kind.CAST: ["exited", ["far", 1, REASON]],
    Kind.CANCEL: [1],
    Kind.HELD: [["id"]],
}
ODD: list[Any] = [None, -1, 2**63, 1.5, "", b"\xff" * 40, [], {}, [[]], {"v": 1}, True, [1, 2]]


class NoLink:
    """A way that leads nowhere."""

    def send(self, frame: bytes, *, urgent: bool = False) -> None: ...

    def close(self) -> None: ...

    async def flushed(self) -> None: ...


class House:
    """A door with somebody behind it who notes what came in."""

    def __init__(self) -> None:
        self.peers = Peers()
        self.peer = Peer("w", "boot-w", "ipc:///w", NoLink(), "boot-root")
        self.peers.met(self.peer)
        self.taken: list[tuple[Any, ...]] = []
        self.unreadable: list[str] = []
        self.met: list[tuple[Any, ...]] = []
        self.calls = Calls()
        desk = Desk(
            "root",
            self.calls,
            {"whereis": self._served},
            dict.fromkeys(CASTS, self._note),
        )
        takes: dict[Kind, Any] = dict.fromkeys(BODIES, self._note)
        takes[Kind.CAST] = desk.told
        takes[Kind.CALL] = desk.called
        takes[Kind.RETURN] = self.calls.returned
        self.door = Door(
            "root",
            self.peers,
            takes,
            {Kind.HELLO: lambda *fields: self.met.append(fields)},
            lambda kind, boot, fields: fields[-1] == b"seal",
            lambda peer, why: self.unreadable.append(why),
        )

    def _note(self, peer: Peer, *fields: Any) -> None:
        assert peer is self.peer
        self.taken.append(fields)

    async def _served(self, peer: Peer, *fields: Any) -> list[object] | None:
        self.taken.append(fields)
        return None


@pytest.fixture
async def house() -> Any:
    one = House()
    yield one
    await one.calls.close()


@pytest.mark.parametrize("kind", [kind for kind in BODIES if kind not in (Kind.CALL, Kind.RETURN)])
async def test_a_frame_with_its_shape_is_handed_to_whoever_takes_its_kind(
    house: House, kind: Kind
) -> None:
    house.door.receive(pack(kind, "boot-w", *BODIES[kind]))
    assert house.taken == [tuple(BODIES[kind][1] if kind == Kind.CAST else BODIES[kind])]
    assert not house.unreadable


async def test_a_frame_of_a_peer_that_has_somebody_of_its_own_for_its_kind_goes_to_that(
    house: House,
) -> None:
    own: list[tuple[Any, ...]] = []
    house.peer.takes = {Kind.CAST: lambda peer, *fields: own.append(fields)}
    house.door.receive(pack(Kind.CAST, "boot-w", *BODIES[Kind.CAST]))
    house.door.receive(pack(Kind.SETTLED, "boot-w", ["id"]))
    assert own == [tuple(BODIES[Kind.CAST])]
    assert house.taken == [(["id"],)]


async def test_fields_of_a_newer_version_are_left_out(house: House) -> None:
    house.door.receive(pack(Kind.SETTLED, "boot-w", ["id"], "more"))
    assert house.taken == [(["id"],)]


@pytest.mark.promise(id="SEM-1232")
@pytest.mark.parametrize("kind", BODIES)
async def test_a_frame_of_another_shape_is_told_of_and_nothing_of_it_is_done(
    house: House, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    """Each field in turn is of each odd value, or missing."""
    body = BODIES[kind]
    for place in range(len(body)):
        for odd in ODD:
            changed = [*body[:place], odd, *body[place + 1 :]]
            if not FRAMES[kind].fits(changed):
                house.door.receive(pack(kind, "boot-w", *changed))
                assert len(house.unreadable) == 1, changed
                house.unreadable.clear()
    house.door.receive(pack(kind, "boot-w", *body[:-1]))
    assert house.unreadable
    assert house.taken == []
    assert not caplog.records


@pytest.mark.parametrize("seed", range(20))
async def test_rubbish_with_a_true_boot_id_raises_nothing(
    house: House, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        kind = chance.choice(list(BODIES))
        frame = bytearray(pack(kind, "boot-w", *BODIES[kind]))
        for _ in range(chance.randint(1, 6)):
            frame[chance.randrange(len(frame))] = chance.randrange(256)
        house.door.receive(bytes(frame))
    await asyncio.sleep(0)
    assert not [each for each in caplog.records if each.exc_info]


@pytest.mark.parametrize("odd", [None, 5, "ab", b"ab", [], [10], {0: 10, 1: "boot-w"}])
async def test_what_is_not_a_frame_is_passed_over(
    house: House, odd: object, caplog: pytest.LogCaptureFixture
) -> None:
    house.door.receive(msgpack.packb(odd))
    assert house.taken == []
    assert [each.levelname for each in caplog.records if each.exc_info] == []


@pytest.mark.parametrize("body", [["exited", ["far", 1]], ["exited", ["far", 1, {"kind": "odd"}]]])
async def test_a_cast_with_arguments_of_another_shape_cannot_be_read(
    house: House, body: list[Any]
) -> None:
    house.door.receive(pack(Kind.CAST, "boot-w", *body))
    assert house.unreadable == ["the arguments of its 'exited' have the wrong shape"]


async def test_a_call_returns_what_the_desk_does_and_one_that_it_does_not_know_an_error(
    house: House,
) -> None:
    came: list[list[Any]] = []
    house.peer.link.send = lambda frame, *, urgent=False: came.append(unpacked(frame)[2:])  # type: ignore[method-assign]
    house.door.receive(pack(Kind.CALL, "boot-w", 1, "whereis", [["far"]]))
    house.door.receive(pack(Kind.CALL, "boot-w", 2, "fly", []))
    while len(came) < 2:
        await asyncio.sleep(0)
    assert came[0] == [1, True, None]
    assert came[1][:2] == [2, False]
    assert "does not know the call 'fly'" in came[1][2]["text"]


async def test_a_result_of_another_shape_does_not_end_the_call(house: House) -> None:
    asking = asyncio.create_task(house.calls.call(house.peer, "alive", "far"))
    await asyncio.sleep(0)
    house.door.receive(pack(Kind.RETURN, "boot-w", 1, True, "yes"))
    assert house.unreadable
    house.door.receive(pack(Kind.RETURN, "boot-w", 1, True, True))
    assert await asking is True


async def test_of_a_stranger_only_a_frame_with_a_seal_is_taken(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.door.receive(pack(Kind.HELLO, "x", {"name": "w"}, b"rubbish"))
    house.door.receive(pack(Kind.MESSAGE, "x", *BODIES[Kind.MESSAGE]))
    house.door.receive(b"rubbish")
    assert not house.met
    assert not house.taken
    assert not house.unreadable
    assert "turned a stranger away" in caplog.text
    house.door.receive(pack(Kind.HELLO, "x", {"name": "w"}, b"seal"))
    assert house.met == [("x", {"name": "w"})]


def test_every_call_says_the_shape_of_its_result() -> None:
    assert CALLS.keys() == RESULTS.keys()


def test_every_kind_of_frame_has_a_shape() -> None:
    assert set(FRAMES) == set(Kind)


@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        (CASTS["facts"], [FACTS], [FACTS[:4]]),
        (
            CASTS["report"],
            [{"a": 3, "p": [[["p/1", "running", 0, 2]], ["p/2"]]}],
            [{"p": [[["p/1", "odd", 0, 2]], []]}],
        ),
        (
            CASTS["doing"],
            [{"id": {"message": "id", "step": "s", "moved": 1.5, "usage": [1, 2, 3, 5]}}],
            [{"id": {"message": "id", "step": "s", "moved": 1.5, "usage": [1, 2]}}],
        ),
        (
            CASTS["doing"],
            [{"id": {"message": "id", "retry_at": 2.5, "asks": ["a"]}}],
            [{"id": {"message": "id", "retry_at": 2.5, "asks": [None]}}],
        ),
        (CASTS["gone"], ["boot", "why", {"id": 1}], ["boot", "why", {"id": -1}]),
        (CASTS["event"], ["crashed", "a", "w", "", "", 1.5], ["odd", "a", "w", "", "", 1.5]),
        (FRAMES[Kind.PROBE], ["id", "w", ["a", "b"], "e"], ["id", "w", ["a"], "e"]),
    ],
)
def test_shapes_go_as_deep_as_what_is_read(shape: Any, good: list[Any], bad: list[Any]) -> None:
    assert shape.fits(good)
    assert not shape.fits(bad)


class Broken(MemoryTransport):
    """It raises, whatever it is to do."""

    def __init__(self) -> None: ...

    async def open(self, receive: Any, cut_off: Any = None) -> None:
        raise OSError("no loft")

    async def close(self) -> None:
        raise OSError("stuck")


@pytest.mark.promise(id="SEM-1372")
async def test_a_transport_that_raises_is_named_and_hides_nothing(
    house: House,
    caplog: pytest.LogCaptureFixture,
) -> None:
    door = house.door
    with pytest.raises(ConfigurationError, match="of node 'root' could not be opened: OSError: no"):
        await door.open(Broken())
    await door.close(Broken())
    assert "node 'root': its transport could not be closed" in caplog.text
