"""What a root notes for the next one."""

from __future__ import annotations

import pytest

from civitas.cluster.members.succession_notes import SuccessionNotes
from civitas.message.ids import new_id

NATS_TAKES = 2**20


@pytest.mark.parametrize("name", ["clerk", "x" * 200, "ü" * 200])
def test_a_nats_server_takes_the_note_however_long_the_names_are(name: str) -> None:
    asked = {new_id(): name for _ in range(10_000)}
    raw = SuccessionNotes(asked=asked).raw()
    assert len(raw) < NATS_TAKES * 0.75  # there is more in it
    found = SuccessionNotes.of(raw).asked
    assert list(found) == list(asked)
    assert {*found.values()} == {name if name == "clerk" else ""}
