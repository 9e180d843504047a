"""Records of steps, and what else is kept with them, of messages that nobody will finish."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING
from uuid import UUID

from civitas.errors import ConfigurationError
from civitas.process.steps import STEPS
from civitas.process.suspended import suspended_ids

if TYPE_CHECKING:
    from civitas.message import Message
    from civitas.state import StateStore

__all__ = ["forget_records", "forget_records_of", "forget_those_of_the_dead"]

logger = logging.getLogger("civitas")

_OLD = 7 * 24 * 3600.0
"""Seconds after which a record of an agent that is not known belongs to a message that nobody has any more."""


async def forget_records(store: StateStore, message: Message) -> None:
    """Drop what is recorded for a message that was given up."""
    # The agent's own name may be that of a conversation or a replica behind the recipient's.
    mark = f"/{message.id}/"
    await _forget(store, f"{STEPS}{message.recipient}", lambda key: mark in key)


async def forget_records_of(store: StateStore, message_ids: Collection[str]) -> None:
    """Drop what is recorded for messages that nobody has any more, whatever their agents."""
    await _forget(store, STEPS, lambda key: not set(key.split("/")).isdisjoint(message_ids))


async def forget_those_of_the_dead(
    store: StateStore, agents: Collection[str], unfinished: Collection[str] = ()
) -> None:
    """Drop what earlier runs of a system left: their messages ended with them.

    Args:
        store: Where they are kept.
        agents: Names of the agents, pools and replicas of this system, none of which has started, where no other system
            uses the store. What is kept for others may belong to a system that does, and goes when it is old.
        unfinished: The ids of messages that did not end, as they are in the store.
    """
    now = time.time()
    try:
        unfinished = {*unfinished, *await suspended_ids(store, unfinished)}
    except Exception as error:
        logger.info("records of messages that ended could not be dropped: %s", error)
        return

    def is_left(key: str) -> bool:
        name, _, rest = key.removeprefix(STEPS).partition("/")
        if not set(rest.split("/")).isdisjoint(unfinished):
            return False
        return name in agents or _age(rest, now) > _OLD

    await _forget(store, STEPS, is_left)


async def _forget(store: StateStore, prefix: str, is_left: Callable[[str], bool]) -> None:
    list_keys = getattr(store, "keys", None)
    if list_keys is None:  # what was recorded cannot be found
        return
    try:
        keys = [key for key in await list_keys(prefix) if is_left(key)]
        await asyncio.gather(*(store.delete(key) for key in keys))
    except ConfigurationError:
        return  # it keeps no steps, as nothing outlives its process
    except Exception as error:
        # What is left does no harm, and a store that cannot be used is reported by whoever needs it.
        logger.info("records of messages that were given up could not be dropped: %s", error)


def _age(key: str, now: float) -> float:
    """Seconds since the message of a record was sent; its id says when."""
    for part in key.split("/"):
        try:
            id = UUID(part)
        except ValueError:
            continue
        if id.version == 7:
            return now - (id.int >> 80) / 1000
    return 0.0
