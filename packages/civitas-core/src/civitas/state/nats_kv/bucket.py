"""The bucket of a state store: made if it is missing, looked at if it is there, never changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from civitas.errors import ConfigurationError, StateStoreError

__all__ = ["BucketOptions", "check_not_former", "check_same", "checked_bucket"]

# Whatever is not said is as a server has it.
_UNLIMITED = -1
_NAME = re.compile(r"[A-Za-z0-9_-]{1,130}")
_PREFIX = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_LONGEST = 120
"""Characters of a prefix as it is written: the server takes 255 for a stream."""
_MISREAD = re.compile(r"[-.]|_(?=2D|2E|5F)")
_DEFAULT_PREFIX = "civitas"


@dataclass(frozen=True, slots=True)
class BucketOptions:
    """What is wanted of a bucket.

    Attributes:
        name: Its name.
        storage: ``file`` or ``memory``; None: a file, or as it is there, but for ``memory``.
        replicas: On how many servers of a cluster it is; None: on one, or as it is there.
        max_bytes: The most that it holds; None: no limit, or as it is there.
        former: What earlier versions called it, if that was another name.
    """

    name: str
    storage: str | None = None
    replicas: int | None = None
    max_bytes: int | None = None
    former: str | None = None

    @property
    def stream(self) -> str:
        """The stream that holds it, as every client of NATS names it."""
        return f"KV_{self.name}"

    @property
    def subject(self) -> str:
        """What the subjects of its keys begin with."""
        return f"$KV.{self.name}."

    def configuration(self) -> dict[str, Any]:
        """That of a new one, in the words of the server."""
        return {
            "name": self.stream,
            "description": "State of the agents of a Civitas system",
            "metadata": {"civitas": "state"},
            "subjects": [f"{self.subject}>"],
            "retention": "limits",
            "storage": self.storage or "file",
            "num_replicas": self.replicas or 1,
            "max_bytes": self.max_bytes or _UNLIMITED,
            "max_msgs_per_subject": 1,
            "max_msgs": _UNLIMITED,
            "max_consumers": _UNLIMITED,
            "max_msg_size": _UNLIMITED,
            # What is full refuses; the default would drop the oldest values.
            "discard": "new",
            "allow_rollup_hdrs": True,
            "deny_delete": True,
        }


def checked_bucket(
    bucket: object,
    prefix: object = None,
    storage: object = None,
    replicas: object = None,
    max_bytes: object = None,
) -> BucketOptions:
    """What a user says of a bucket, checked.

    Raises:
        ConfigurationError: It does not fit.
    """
    if not (isinstance(bucket, str) and _NAME.fullmatch(bucket)):
        raise ConfigurationError(
            f"NatsKVStateStore: bucket must be made of letters, digits, '-' and '_', up to 130 of them; got {bucket!r}"
        )
    name, former = bucket, None
    if prefix is not None:
        if not (isinstance(prefix, str) and _PREFIX.fullmatch(prefix)):
            raise ConfigurationError(
                "NatsKVStateStore: prefix must be made of letters, digits, '-' and '_', with dots between words; "
                f"got {prefix!r}"
            )
        name = f"{_written(prefix)}-{bucket}"
        former = bucket if prefix == _DEFAULT_PREFIX else f"{prefix}-{bucket}"
        if former == name or "." in former:
            former = None
    if storage not in (None, "file", "memory"):
        raise ConfigurationError(
            f"NatsKVStateStore: storage must be 'file' or 'memory'; got {storage!r}"
        )
    for what, number in (("replicas", replicas), ("max_bytes", max_bytes)):
        if number is not None and (
            isinstance(number, bool) or not isinstance(number, int) or number < 1
        ):
            raise ConfigurationError(
                f"NatsKVStateStore: {what} must be a whole number, 1 or more; got {number!r}"
            )
    return BucketOptions(
        name,
        storage,
        cast("int | None", replicas),
        cast("int | None", max_bytes),
        former,
    )


def _written(prefix: str) -> str:
    """A prefix as it stands before the ``-`` and the bucket, so that no two pairs of them have one name.

    A dash or dot is ``_2D`` or ``_2E``. This is not the ``=2E`` of streams, as the tools of NATS take no bucket with
    a ``=`` in its name.
    """
    written = _MISREAD.sub(lambda found: f"_{ord(found[0]):02X}", prefix)
    if len(written) > _LONGEST:
        raise ConfigurationError(
            f"NatsKVStateStore: prefix must have up to {_LONGEST} characters, with three for each dash or dot; "
            f"got {len(written)}"
        )
    return written


def check_not_former(wanted: BucketOptions, found: Mapping[str, Any]) -> None:
    """Check that the bucket of the name that earlier versions gave holds no state, if the wanted one is not there.

    Args:
        wanted: What was said of the one that is missing.
        found: The configuration of the stream of the other.

    Raises:
        StateStoreError: It holds state; says how to go on with it, and how to begin empty.
    """
    own = wanted.configuration()
    if found.get("description") == own["description"] or (
        (found.get("metadata") or {}).get("civitas") == "state"
    ):
        raise StateStoreError(
            f"there is no bucket {wanted.name!r}, but {wanted.former!r}, as earlier versions of civitas-core "
            f"called it. To go on with what is in that one, write 'prefix: null' and 'bucket: {wanted.former}' in "
            f"'state' (in Python: prefix=None, bucket={wanted.former!r}). If it belongs to another "
            f"system, make an empty one: nats kv add {wanted.name}"
        )


def check_same(wanted: BucketOptions, found: Mapping[str, Any]) -> None:
    """Check that the bucket that is there can keep state, and is the one that was meant.

    Args:
        wanted: What was said of it.
        found: The configuration of its stream.

    Raises:
        StateStoreError: It cannot, or is not; names each setting.
    """
    problems = list(_unfit(wanted, found))
    if problems:
        raise StateStoreError(
            f"the bucket {wanted.name!r} is there with other settings and was left as it is: {'; '.join(problems)}. "
            "Give the state store a bucket of its own, or change that one with the command nats"
        )


def _unfit(wanted: BucketOptions, found: Mapping[str, Any]) -> Iterator[str]:
    if found.get("mirror") or found.get("sources"):
        yield "it is a copy of another one"
    elif found.get("subjects") != [f"{wanted.subject}>"]:
        yield f"it holds the subjects {found.get('subjects')}"
    if found.get("sealed"):
        yield "it is sealed"
    if found.get("deny_purge"):
        yield "nothing can be removed from it (deny_purge)"
    if found.get("max_age"):
        yield f"it forgets values after {found['max_age'] / 1e9:g} s (max_age)"
    if found.get("retention", "limits") != "limits":
        yield f"its retention is {found['retention']!r}, not 'limits'"
    limited = found.get("max_msgs", _UNLIMITED) > 0 or found.get("max_bytes", _UNLIMITED) > 0
    if limited and found.get("discard") != "new":
        yield "it drops the oldest values when it is full (discard: old)"
    if found.get("persist_mode") == "async":
        yield "it acknowledges before it has saved (persist_mode: async)"
    storage = found.get("storage", "file")
    if storage != (wanted.storage or "file"):
        hint = (
            ""
            if wanted.storage
            else ", which a restart of the server empties; write storage: memory if that is meant"
        )
        yield f"its storage is {storage!r}{hint}"
    for key, asked in (("num_replicas", wanted.replicas), ("max_bytes", wanted.max_bytes)):
        there = found.get(key)
        if asked is not None and there != asked:
            yield f"its {key.removeprefix('num_')} is {there}, not {asked}"
