"""`Callers`: those who come to the edges of a program while another one leads, which answers them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from civitas.edge import Edge, PassesOn, StandsBy
from civitas.launch import pid_space
from civitas.node.next_program import NextProgram
from civitas.transport.election import Leader

__all__ = ["Callers"]


class Callers:
    """Has the program that leads answer those who come to the edges of this one.

    Args:
        edges: Of this program.
        next_program: The other one.
    """

    def __init__(self, edges: Callable[[], Sequence[Edge]], next_program: NextProgram) -> None:
        self.on_lead: Callable[[], object] = _nothing
        """Called when this program leads behind another one of this machine, before its agents start."""
        self._edges = edges
        self._next = next_program
        self._letting_in: asyncio.Task[None] | None = None
        self._before: Sequence[Edge] | None = None

    def come_after(self, edges: Sequence[Edge]) -> None:
        """Let nobody in before this program leads: these edges listen at its addresses, and free them then."""
        self._before = edges

    def let_in(self, waiting: Callable[[str], None]) -> None:
        """Another program leads, and answers from now on.

        Args:
            waiting: Told where this one is reached.
        """
        if self._letting_in is None and self._before is None:
            self._letting_in = asyncio.get_running_loop().create_task(self._let_in(waiting))

    async def _let_in(self, waiting: Callable[[str], None]) -> None:
        for edge in self._those_that_stand_by():
            if url := await edge.stand_by(self._next.find_edge):
                waiting(f"the root that leads answers those who come to {url}")

    async def are_in(self) -> None:
        """Wait until the edges let in those who are to be let in."""
        if self._letting_in is not None:
            await self._letting_in
        for edge in self._before or ():
            if isinstance(edge, PassesOn):  # what it has taken, it answers
                edge.free_address()

    def expect_addresses(self, last: Leader | None) -> None:
        """This program leads: one that led before on this machine frees their addresses once it knows that.

        Args:
            last: Who led before; None for nobody.
        """
        here = pid_space()
        if last is not None and last.pid_space == here != "" and not last.is_dead(here):
            self.on_lead()
            for edge in self._those_that_stand_by():
                edge.wait_for_address()

    def show(self) -> None:
        """Tell the others where the edges are, as this program leads."""
        for edge in self._those_that_stand_by():
            self._next.show_edge(edge.reached_at)

    def hand_on(self) -> None:
        """Another program is about to lead."""
        for edge in self._those_that_stand_by():
            edge.follow(self._next.find_edge)

    async def handed_on(self) -> None:
        """Wait until all that were handed on have their answers."""
        for edge in self._those_that_stand_by():
            await edge.handed_on()

    async def close(self) -> None:
        """Let nobody in any more."""
        letting_in, self._letting_in = self._letting_in, None
        if letting_in is not None:
            letting_in.cancel()
            await asyncio.wait({letting_in})

    def _those_that_stand_by(self) -> Iterator[StandsBy]:
        return (each for each in self._edges() if isinstance(each, StandsBy))


def _nothing() -> None: ...
