"""Looks into a process of the system over its carrier, which works while an event loop is blocked there."""

from __future__ import annotations

import hmac
from contextlib import suppress
from secrets import token_hex
from typing import Any

import msgpack

from civitas.cluster.frames import packed, unpacked
from civitas.cluster.seal import Seal
from civitas.node.inspecting import Seen
from civitas.node.view import View, asked, seen_in
from civitas.transport.contract import Transport
from civitas.transport.looking import Looking

__all__ = ["ViewServer", "look_from_afar"]

_SEAL = 64
"""Bytes around an answer: its seal, and what packs the two."""


class ViewServer:
    """Lets those who have the token of the system look into this process, if its carrier can do that.

    Args:
        view: Of this process.
        seal: Of the system.
        transport: Of this process.
    """

    def __init__(self, view: View, seal: Seal, transport: Transport) -> None:
        self._view = view
        self._seal = seal
        self._transport = transport

    def open(self) -> None:
        """Answer from now on."""
        if isinstance(self._transport, Looking):
            self._transport.let_look(self._shows)

    def close(self) -> None:
        """Answer nobody any more."""
        if isinstance(self._transport, Looking):
            self._transport.let_look(None)
        self._view.close()

    def _shows(self, sealed: bytes, most: int) -> bytes | None:
        asker, question, to_all, seal = _parts(sealed, 4)
        expected = self._seal.over("look", asker, question, to_all)
        if not (self._seal and isinstance(seal, bytes) and hmac.compare_digest(seal, expected)):
            return None
        answer = self._view.answer(question, most=most - _SEAL)
        if to_all and seen_in(answer)["agent"] is None:
            return None  # another process has it, or none
        return packed((answer, self._seal.over("seen", asker, answer)))


async def look_from_afar(
    transport: Transport,
    seal: Seal,
    address: str | None,
    name: str | None,
    seconds: float | None,
    within: float,
    request: str = "",
) -> Seen | None:
    """Look at an agent, whether the event loop of its process turns or not.

    Args:
        transport: Of this process.
        seal: Of the system.
        address: Of the process; None for whichever hosts the agent.
        name: Of the agent; None for the process alone.
        seconds: How long to look where its time goes; None for not at all.
        within: Seconds to wait for the answer beside those.
        request: Of whose message it is to be said whether it was accepted; empty for none.

    Returns:
        None if the carrier cannot do that, nobody answers, or who answers is not of this system.

    Raises:
        ConfigurationError: The process refused.
    """
    if not isinstance(transport, Looking) or not seal:
        return None
    asker, question, to_all = token_hex(8), asked(name, seconds, request), address is None
    sealed = packed((asker, question, to_all, seal.over("look", asker, question, to_all)))
    found = await transport.look(address, sealed, within + (seconds or 0.0))
    if found is None:
        return None
    answer, proof = _parts(found, 2)
    expected = seal.over("seen", asker, answer)
    is_ours = isinstance(proof, bytes) and hmac.compare_digest(proof, expected)
    return seen_in(answer) if is_ours else None


def _parts(sealed: bytes, many: int) -> list[Any]:
    """What was packed; so many times None where that is something else."""
    with suppress(ValueError, TypeError, msgpack.UnpackException):
        parts: Any = unpacked(sealed)
        if isinstance(parts, list) and len(parts) == many:
            return parts
    return [None] * many
