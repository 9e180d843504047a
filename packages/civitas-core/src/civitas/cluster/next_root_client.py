"""`NextRootClient`: a root that has handed over asks the next one for the answers that somebody waits for here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from civitas.cluster.guest import Guest, read_answer
from civitas.errors import CivitasError, ConfigurationError, DeliveryError, NodeDown
from civitas.message import Message
from civitas.node.asks import PendingAsks
from civitas.transport.contract import Transport

__all__ = ["NextRootClient"]

logger = logging.getLogger("civitas")

_LOOK = 0.05
"""Seconds between two looks whether the next root is there."""
_PATIENCE = 1.0
"""Seconds for it to answer."""
_SILENT = 2.5
"""Seconds without a word after which it may be gone: it says so each second if there are no answers yet."""
_READS = (
    "tree",
    "overview",
    "inspect",
    "timeline",
    "runs",
    "run",
    "result",
    "traces",
    "stored",
    "stored_keys",
)
"""The requests that another root may do again which was lost with them in hand."""

_LOST = "the root that had the request was lost"
_ADVICE = "A durable agent that has it goes on with it: see `civitas runs` before you ask again"


class NextRootClient:
    """Asks the root that leads, whichever that is, as one that has led before.

    Args:
        root: The address of whoever leads.
        token: Of the system.
        visit: Makes the transport for it.
    """

    def __init__(self, root: str, token: str, visit: Callable[[], Transport]) -> None:
        self._address = root
        self._token = token
        self._visit = visit
        self._guest: Guest | None = None
        self._seeking: asyncio.Task[Guest] | None = None
        self._leads_no_more = asyncio.Event()
        self._found = False
        self._busy = 0
        """So many wait for an answer of the next root."""
        self._refused = ""
        """Why the next root did not let this one in, as far as that was logged."""
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def has_found(self) -> bool:
        """Whether the next root takes work."""
        return self._found

    def reset(self) -> None:
        """This root may lead again, in another life of its system."""
        self._leads_no_more, self._found = asyncio.Event(), False

    def begin(self) -> None:
        """This root does not lead any more, so whoever does is another one."""
        self._found = False  # what was found before it led is nothing now
        self._leads_no_more.set()

    async def find(self) -> None:
        """Wait until the next root has started its agents, and takes work."""
        self._busy += 1
        try:
            while not self._found:
                guest = await self._there()
                try:
                    async with asyncio.timeout(_SILENT):
                        self._found = await guest.call("started")
                except TimeoutError:
                    await self._look_for_another(guest)
                except NodeDown as error:
                    logger.debug("the next root is gone: %s", error)
                except ConfigurationError as error:
                    logger.debug("the next root does not say whether it has started: %s", error)
                    self._found = True
                if not self._found:
                    await asyncio.sleep(_LOOK)
        finally:
            await self._finished()

    async def answer(self, asks: PendingAsks) -> None:
        """Give those who wait here their answers, until all have one."""
        self._busy += 1
        try:
            await self._there()
            while ids := asks.ids:
                await self._fetch(ids, asks)
            await self.find()
        finally:
            await self._finished()

    async def _fetch(self, ids: list[str], asks: PendingAsks) -> None:
        guest = await self._there()
        try:
            async with asyncio.timeout(_SILENT):
                found = await guest.call("answers", ids)
        except TimeoutError:
            await self._look_for_another(guest)
            return
        except NodeDown as error:
            logger.debug("the next root is gone: %s", error)
            await asyncio.sleep(_LOOK)
            return
        except ConfigurationError as error:
            logger.debug("the next root takes over no answers: %s", error)
            found = [[id] for id in ids]
        for id, *answer in found:
            asks.answer(id, read_answer(*answer))
        guest.cast("fetched", [each[0] for each in found])

    async def forward(self, request: Mapping[str, Any]) -> dict[str, Any] | Message:
        """Let the next root do what was asked for here, once.

        Returns:
            Its answer; or that of the agent, if another root answers what it has asked.

        Raises:
            DeliveryError: There is none. It may have been done if the next root was lost meanwhile.
        """
        await self._leads_no_more.wait()
        self._busy += 1
        try:
            answer, guest = await self._request(request)
            asked = answer.get("asked")
            found = None if asked is None else await self._answer_to(asked, guest.root_boot)
            if isinstance(found, DeliveryError):
                raise found
            return found or answer
        finally:
            await self._finished()

    async def _answer_to(self, id: str, passed_on: str) -> Message | DeliveryError:
        """The answer to a message that a root has asked and passed on, of the one behind it."""
        while True:
            with suppress(NodeDown):
                guest = await self._there()
                if guest.root_boot != passed_on:
                    return await guest.answer_to(id)
            await asyncio.sleep(_LOOK)

    async def _request(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], Guest]:
        while True:
            await self.find()  # one that ends before it takes work has done nothing
            guest = await self._there()
            try:
                return await guest.request(request), guest
            except (ConfigurationError, NodeDown) as error:
                if isinstance(error, NodeDown) and request.get("op") not in _READS:
                    to = str(request.get("to", "the system"))
                    raise NodeDown(to, "root", _LOST, advice=_ADVICE) from error
                logger.debug("the next root does not take a request: %s", error)
                await asyncio.sleep(_LOOK)

    async def find_edge(self, *, behind: bool) -> Mapping[str, Any]:
        """Where the root that leads lets callers in, as it told; empty if it is gone, or does not say.

        Args:
            behind: Whether that is the one behind this one, which still may lead.
        """
        if behind:
            await self._leads_no_more.wait()
        self._busy += 1
        try:
            guest = await self._there()
            found: dict[str, Any] = await guest.call("edge")
        except (NodeDown, ConfigurationError) as error:
            logger.debug("the root that leads does not say where its edge is: %s", error)
            return {}
        finally:
            await self._finished()
        return found

    async def _look_for_another(self, silent: Guest) -> None:
        """See whether another root leads by now: of a leader that was killed, only the processes are told."""
        other = Guest(self._address, self._token, self._visit(), was_root=True)
        try:
            if await other.enter(_PATIENCE) and other.root_boot != silent.root_boot:
                silent.root_is_gone("another root leads")
        except (CivitasError, OSError) as error:
            logger.debug("the next root cannot be reached: %s", error)
        finally:
            await other.close()

    async def _there(self) -> Guest:
        if self._guest is not None and not self._guest.has_ended:
            return self._guest
        if self._seeking is None:
            self._seeking = asyncio.get_running_loop().create_task(self._seek())
            self._seeking.add_done_callback(self._sought)
        return await asyncio.shield(self._seeking)

    def _sought(self, seeking: asyncio.Task[Guest]) -> None:
        if self._seeking is seeking:
            self._seeking = None
        if not seeking.cancelled():
            seeking.exception()  # whoever waits for it hears of it

    async def _seek(self) -> Guest:
        await self._close()
        while True:
            guest = Guest(self._address, self._token, self._visit(), was_root=True)
            try:
                if await guest.enter(_PATIENCE):
                    self._guest = guest
                    return guest
            except ConfigurationError as error:
                self._is_refused(str(error))
            except (CivitasError, OSError) as error:
                logger.debug("the next root cannot be reached: %s", error)
            except BaseException:
                await guest.close()
                raise
            await guest.close()
            await asyncio.sleep(_LOOK)

    def _is_refused(self, why: str) -> None:
        if why != self._refused:  # once, as it is tried again soon
            self._refused = why
            logger.warning("the answers of the version that took over cannot be fetched: %s", why)

    async def _finished(self) -> None:
        self._busy -= 1
        if not self._busy:
            # In a task of its own, as whoever waits for this may be cancelled.
            closing = asyncio.get_running_loop().create_task(self._leave())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            await asyncio.shield(closing)

    async def _close(self) -> None:
        guest, self._guest = self._guest, None
        if guest is not None:
            await guest.close()

    async def _leave(self) -> None:
        if not self._busy:  # else somebody has come meanwhile
            await self._end()

    async def _end(self) -> None:
        seeking, self._seeking = self._seeking, None
        if seeking is not None:
            seeking.cancel()
            await asyncio.wait({seeking})
        await self._close()

    async def rested(self) -> None:
        """Wait until nothing is left of what was asked and is over."""
        if self._closing:
            await asyncio.wait(self._closing)

    async def close(self) -> None:
        """Ask for nothing more."""
        await self._end()
        await self.rested()
