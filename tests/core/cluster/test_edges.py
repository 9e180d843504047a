"""Which waits are followed where, as one node decides it: edge by edge, without any other node."""

from __future__ import annotations

import asyncio
from typing import Any

from civitas.cluster.facts import Facts
from civitas.cluster.letters.cycles import Cycles
from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.letters.origin import Back, FromPeer
from civitas.cluster.letters.receipts import Receipts
from civitas.cluster.peers import Peers
from civitas.message import Message, Serializer
from civitas.node import Registry
from tests.core.cluster.parts import Wire, a_peer
from tests.core.cluster.test_outbox import Nowhere


class Here:
    """An agent of this node."""

    def __init__(self, name: str, **asking: str) -> None:
        self.name = name
        self.asking = asking


class Node:
    """`here`, with ways to `w` and `v`, and what it sends there."""

    def __init__(self) -> None:
        self.registry: Any = Registry()
        self.peers = Peers()
        self.wires: dict[str, Wire] = {}
        for name in ("w", "v"):
            peer, self.wires[name] = a_peer(name)
            self.peers.met(peer)
        self.foreign: dict[str, Any] = {}
        self.left: set[str] = set()
        self.closed: list[tuple[str, list[str]]] = []
        self.cycles = Cycles(
            "here",
            self.registry,
            self.peers,
            self.foreign,
            self.left.__contains__,
            lambda ask, circle: self.closed.append((ask, circle)),
        )

    def hosts(self, name: str, **asking: str) -> None:
        self.registry[name] = Here(name, **asking)

    def knows(self, name: str, node: str) -> Elsewhere:
        facts = Facts(name, node, f"boot-{node}")
        self.registry[name] = each = Elsewhere(facts, Nowhere())
        each.learn(facts)
        return each

    def came(self, edge: str, node: str, cell: Any) -> None:
        """An ask came from another node for an agent."""
        back = Back(Serializer.MSGPACK, Receipts(asyncio.get_event_loop))
        peer = self.peers.by_name[node]
        self.foreign[edge] = FromPeer(peer, Message(id=edge, payload=1), back, cell)

    def probed(self, sender: str, *probe: Any) -> None:
        self.cycles.probed(self.peers.by_name[sender], *probe)


def test_a_wait_that_leads_back_through_agents_here_is_a_circle() -> None:
    node = Node()
    node.hosts("a", edge1="b")
    node.hosts("b", edge2="far")
    assert node.cycles.follow("ask", "w", ["far", "a"]) == (["far", "a", "b", "far"], "edge2")


def test_a_circle_that_does_not_hold_the_asker_is_followed_once() -> None:
    node = Node()
    node.hosts("a", edge1="b")
    node.hosts("b", edge2="a")
    assert node.cycles.follow("ask", "w", ["far", "a"]) is None


def test_an_edge_is_followed_to_the_node_that_knows_it() -> None:
    node = Node()
    node.hosts("a", edge1="far", edge2="late")
    node.knows("far", "w")
    node.knows("late", "v")
    node.left.add("edge1")  # the other one stands in line here
    assert node.cycles.follow("ask", "here", ["x", "a"]) is None
    assert node.wires["w"].sent == [("PROBE", ["ask", "here", ["x", "a", "far"], "edge1"])]
    assert node.wires["v"].sent == [("PROBE", ["ask", "here", ["x", "a", "late"], ""])]


async def test_a_circle_that_comes_back_to_its_asker_ends_that_ask() -> None:
    node = Node()
    node.hosts("a")
    node.came("edge", "w", node.registry["a"])
    node.probed("w", "ask", "here", ["a", "far", "a"], "edge")
    assert node.closed == [("ask", ["a", "far", "a"])]


async def test_a_circle_that_is_found_here_ends_the_ask_of_this_node() -> None:
    node = Node()
    node.hosts("b", edge2="a")
    node.came("edge", "w", node.registry["b"])
    node.probed("w", "ask", "here", ["a", "far", "b"], "edge")
    assert node.closed == [("ask", ["a", "far", "b", "a"])]


async def test_a_circle_that_is_found_here_is_told_to_the_node_of_the_asker() -> None:
    node = Node()
    node.hosts("b", edge2="a")
    node.knows("a", "v")
    node.left.add("edge2")
    node.came("edge", "w", node.registry["b"])
    node.probed("w", "ask", "v", ["a", "far", "b"], "edge")
    assert node.closed == []
    assert node.wires["v"].sent == [("PROBE", ["ask", "v", ["a", "far", "b", "a"], "edge2"])]


async def test_an_edge_that_is_handed_on_goes_on_under_the_name_of_who_got_it() -> None:
    node = Node()
    node.left.add("edge")
    node.came("edge", "w", node.knows("crew-2", "v"))
    node.probed("w", "ask", "w", ["a", "crew"], "edge")
    assert node.wires["v"].sent == [("PROBE", ["ask", "w", ["a", "crew-2"], "edge"])]


def test_a_probe_is_not_sent_back_to_where_it_came_from() -> None:
    node = Node()
    node.knows("far", "w")
    node.probed("w", "ask", "w", ["a", "far"], "")
    assert node.wires["w"].sent == []


def test_an_edge_that_is_over_leads_nowhere() -> None:
    node = Node()
    node.hosts("b", edge2="a")
    node.probed("w", "ask", "here", ["a", "b"], "over")
    assert node.closed == []
