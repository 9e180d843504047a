"""What shows that a frame comes from a node of the same system."""

from __future__ import annotations

from typing import Any

import pytest

from civitas.cluster.frames import Kind, pack, unpacked
from civitas.cluster.seal import Seal

FIELDS: tuple[Any, ...] = ("gpu", "tcp://127.0.0.1:5#00", {"pid": 7, "list": (1, 2.5, None)})


def sealed(seal: Seal, *fields: Any) -> list[Any]:
    """The fields of a frame of `me` for `you`, as they arrive."""
    whole = pack(Kind.INTRODUCE, "me", *fields, seal.of(Kind.INTRODUCE, "me", "you", *fields))
    return unpacked(whole)[2:]


@pytest.mark.promise(id="SEM-1174")
def test_a_frame_is_known_by_the_token_and_by_nothing_else() -> None:
    seal, fields = Seal("token"), sealed(Seal("token"), *FIELDS)
    assert seal.fits(Kind.INTRODUCE, "me", "you", *fields)
    assert not Seal("other").fits(Kind.INTRODUCE, "me", "you", *fields)
    assert not seal.fits(Kind.WELCOME, "me", "you", *fields)
    assert not seal.fits(Kind.INTRODUCE, "he", "you", *fields)
    assert not seal.fits(Kind.INTRODUCE, "me", "him", *fields)
    assert not seal.fits(Kind.INTRODUCE, "me", "you", "cpu", *fields[1:])


@pytest.mark.promise(id="SEM-1174")
@pytest.mark.parametrize("last", [[], [b""], [None], [""], [bytes(32)], [b"\xff" * 32]])
def test_a_frame_without_a_seal_does_not_fit(last: list[Any]) -> None:
    assert not Seal("token").fits(Kind.HELLO, "me", "", *FIELDS, *last)


@pytest.mark.promise(id="SEM-1174")
def test_without_a_token_nothing_fits() -> None:
    assert not Seal("").fits(Kind.INTRODUCE, "me", "you", *sealed(Seal(""), *FIELDS))
