"""The answers to what was asked at a root that led before."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from civitas.cluster.answers_for_former_roots import AnswersForFormerRoots
from civitas.cluster.peers import Peers
from civitas.errors import AgentTerminated, UnknownAgent
from civitas.message import Message, loads
from civitas.node.asks import PendingAsks
from civitas.node.registry import Registry
from civitas.process.failures import load_error
from tests.core.cluster.parts import a_peer


def root() -> Any:
    loop = asyncio.get_running_loop()
    return SimpleNamespace(peers=Peers(), asks=PendingAsks(loop), loop=loop, registry=Registry())


async def test_an_answer_to_what_a_former_root_asked_is_kept_until_that_has_it():
    leads, (guest, *_) = root(), a_peer()
    former_answers = AnswersForFormerRoots(leads)
    former_answers.take_over(["former"], dict.fromkeys(["asked", "refused", "open"], ""))
    fetch, fetched = former_answers.serves["answers"], former_answers.casts["fetched"]
    assert leads.asks.answer("asked", Message(recipient="root", type="done"))
    assert leads.asks.answer("refused", AgentTerminated("a", "why"))
    found = await fetch(guest, ["asked", "refused", "open"])
    assert [each[:2] for each in found] == [["asked", True], ["refused", False]]
    assert loads(found[0][2]).type == "done"
    fetched(guest, ["asked", "refused"])
    assert former_answers.asked == {"open": ""}
    assert await fetch(guest, ["asked", "open"]) == [["asked"]]  # nobody knows of it any more
    former_answers.close()


async def test_whoever_fetches_waits_for_the_first_answer():
    leads, (guest, *_) = root(), a_peer()
    former_answers = AnswersForFormerRoots(leads)
    former_answers.take_over(["former"], {"asked": ""})
    fetching = asyncio.ensure_future(former_answers.serves["answers"](guest, ["asked"]))
    await asyncio.sleep(0)
    leads.asks.answer("asked", Message(recipient="root", type="done"))
    assert [each[0] for each in await fetching] == ["asked"]
    assert leads.peers.is_inherited("former")
    former_answers.close()


@pytest.mark.promise(id="SEM-1835")
async def test_who_asked_an_agent_that_this_version_does_not_have_is_told_when_it_has_started():
    leads, (guest, *_) = root(), a_peer()
    leads.registry["here"] = None
    former_answers = AnswersForFormerRoots(leads)
    former_answers.take_over(["former"], {"1": "here", "2": "left out", "3": ""})
    former_answers.has_started()
    [[id, is_reply, why]] = await former_answers.serves["answers"](guest, ["1", "2", "3"])
    assert (id, is_reply) == ("2", False)
    assert isinstance(load_error(why), UnknownAgent)
    assert former_answers.asked == {"1": "here", "2": "left out", "3": ""}  # until it was fetched
    former_answers.close()
