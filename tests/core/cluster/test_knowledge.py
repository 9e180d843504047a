"""Which process has met which, as the root knows it."""

from __future__ import annotations

from civitas.cluster.members.knowledge import Knowledge
from tests.core.cluster.parts import a_peer


async def test_a_process_that_wants_to_meet_another_is_told_though_that_one_was_told_before() -> (
    None
):
    (w, to_w), (v, to_v) = a_peer("w"), a_peer("v")
    knowledge = Knowledge({each.boot: each for each in (w, v)})
    knowledge.introduce(w, v.boot)  # what `w` sends to `v` may be on its way
    await knowledge.wants_to_meet(v, w.boot)
    assert to_w.sent == [("CAST", ["met", ["v", "boot-v", "ipc:///v"]])]
    assert to_v.sent == [("CAST", ["met", ["w", "boot-w", "ipc:///w"]])]


async def test_nobody_is_told_of_a_process_that_is_gone_or_of_itself() -> None:
    w, to_w = a_peer("w")
    knowledge = Knowledge({w.boot: w})
    await knowledge.wants_to_meet(w, w.boot)
    await knowledge.wants_to_meet(w, "boot-v")
    assert to_w.sent == []
