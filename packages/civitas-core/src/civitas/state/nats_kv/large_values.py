"""Values that are too large for one message: in pieces, which are seen as a whole or not at all.

The pieces are written first, then the key's own message, which names them; only then are those of the value before
removed. A note is written ahead of the pieces and removed in the end. Whoever finds one of a writer that did not come
to that end removes what it left.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from civitas.brokers.nats.jetstream import NatsRefusal
from civitas.state.nats_kv.entries import KeptValue
from civitas.state.nats_kv.key_subjects import digest_of, subject_of
from civitas.state.nats_kv.messages import Messages

__all__ = ["LargeValues", "Upload"]

logger = logging.getLogger("civitas")

_PIECES, _NOTES = "=pieces", "=writing"
_LONG_AGO = 3600.0
"""Seconds after which the writer of a value is not under way any more, whatever else there is to see."""


@dataclass(frozen=True, slots=True)
class Upload:
    """The pieces of one write.

    Attributes:
        key: Of the value.
        id: Of the pieces: the revision that they are to replace, and the word of the write.
        count: How many there are.
    """

    key: str
    id: str
    count: int = 0

    @property
    def note(self) -> str:
        """The subject of the note that says that they are being written."""
        return f"{_NOTES}.{digest_of(self.key)}.{self.id}"

    @property
    def pieces(self) -> str:
        """What the subjects of the pieces begin with."""
        return f"{_PIECES}.{digest_of(self.key)}.{self.id}"


class LargeValues:
    """Writes, reads and removes the pieces of large values.

    Args:
        messages: Of the bucket.
    """

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._left: dict[str, set[str]] = {}  # by key, the ids of what may be left

    async def upload(self, key: str, raw: bytes, base: KeptValue, write: str) -> Upload:
        """Write the pieces of a value, which nobody sees yet.

        Args:
            key: Of the value.
            raw: The value, encoded.
            base: What it is to replace.
            write: The word of the write.
        """
        upload = Upload(key, f"{base.revision}.{write}")
        note = json.dumps({"key": key, "before": base.pieces}).encode()
        self._left.setdefault(key, set()).add(upload.id)
        try:
            await self._messages.put(upload.note, note, {})
            count = await self._messages.put_pieces(upload.pieces, self._cut(raw))
        except NatsRefusal:  # as the storage is full
            await self.drop(upload)
            raise
        return replace(upload, count=count)

    async def finish(self, upload: Upload, base: KeptValue) -> bool:
        """Its key names the pieces: remove what they replaced.

        Returns:
            Whether the pieces are there: somebody may have taken the writer for dead before its key named them.
        """
        await self.remove(upload.key, base.pieces)
        # The note last: it leads to what is left if the writer is killed in between.
        kept = await self._messages.remove(upload.note)
        self._is_over(upload)
        return bool(kept)

    async def drop(self, upload: Upload) -> None:
        """Its key will not name the pieces: remove them."""
        await self.remove(upload.key, upload.id)
        await self._messages.remove(upload.note)
        self._is_over(upload)

    async def remove(self, key: str, id: str | None) -> None:
        """Remove the pieces of a value that was replaced; nothing happens if it had none."""
        if id is not None:
            await self._messages.remove(f"{Upload(key, id).pieces}.>")

    async def whole(self, key: str, entry: KeptValue) -> bytes | None:
        """A value that is in pieces; None if it was replaced meanwhile."""
        assert entry.pieces is not None
        found = await self._messages.pieces(Upload(key, entry.pieces).pieces, entry.count)
        return None if found is None else b"".join(found)

    async def clean(self, key: str = "") -> None:
        """Remove what writers left that were killed.

        Args:
            key: Only what was left of this one, if anything was seen of that; by default of all.
        """
        if key and key not in self._left:
            return
        self._left.pop(key, None)
        try:
            for note in await self._messages.subjects(
                f"{_NOTES}.{digest_of(key)}.>" if key else f"{_NOTES}.>"
            ):
                await self._clean_after(note)
        except Exception as error:
            # It takes room, and does no other harm.
            logger.info("pieces of values that were never finished could not be removed: %s", error)

    async def _clean_after(self, subject: str) -> None:
        note = await self._messages.last(subject)
        if note.raw is None:
            return  # its writer has finished
        id = subject.split(".", 2)[2]
        said = json.loads(note.raw)
        key, before = said["key"], said["before"]
        now = await self._messages.last(subject_of(key))
        if now.pieces == id:
            left = before
        elif now.revision != int(id.partition(".")[0]) or time.time() - note.time > _LONG_AGO:
            left = id
        else:
            # Perhaps somebody is writing them at this moment. What is written next tells.
            self._left.setdefault(key, set()).add(id)
            return
        # The note first: a writer that is not dead after all misses it, and begins again.
        await self._messages.remove(subject)
        await self.remove(key, left)

    def _is_over(self, upload: Upload) -> None:
        left = self._left.get(upload.key, set())
        left.discard(upload.id)
        if not left:
            self._left.pop(upload.key, None)

    def _cut(self, raw: bytes) -> Iterator[bytes]:
        room = self._messages.room
        return (raw[begin : begin + room] for begin in range(0, len(raw), room))
