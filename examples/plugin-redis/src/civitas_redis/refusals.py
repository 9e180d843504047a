"""What the answers of a Redis server mean for whoever runs the system, and what to do."""

from __future__ import annotations

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,  # redis-py's own
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
)

from civitas import StateStoreError

__all__ = ["explain"]

_AWAY = "it cannot be reached, or did not answer. Start it, or check the url and the network"
_RIGHTS = (
    "this user may not do that. Give it the commands get, mget, getrange, set, del, zadd, zrem, zrangebylex, evalsha, "
    "script, ping, info and select, for all keys with the prefix"
)
_MEMORY = "its memory is full. Raise maxmemory, or free some; what was saved before is still there"
_CURES: list[tuple[type[Exception] | tuple[type[Exception], ...], bool, str]] = [
    # Some are kinds of others, which come later.
    (AuthenticationError, False, "it does not let the state store in. Check user and password"),
    (BusyLoadingError, True, "it is reading its data after a start. It will be ready soon"),
    (NoPermissionError, False, _RIGHTS),
    (ReadOnlyError, True, "it is a replica, which takes no writes. Name the primary in the url"),
    (OutOfMemoryError, True, _MEMORY),
    ((ConnectionError, TimeoutError, OSError), True, _AWAY),
]
"""For each kind of error whether it may pass, and what to do."""

_IN_SCRIPT = ("user executing the script", "ACL failure in script")
"""What servers say, by their version, when the user may run a script but not what is in it."""

_FULL = "it cannot write to its disk. Free some space; what was saved before is still there"


def explain(where: str, error: BaseException, key: str | None = None) -> StateStoreError:
    """Turn what went wrong into an error that names the server and says what to do.

    Args:
        where: The store.
        error: What redis-py raised.
        key: What was not saved or read.
    """
    if isinstance(error.__cause__, RedisError):
        error = error.__cause__  # redis-py shows a refusal at the log-in as a lost connection
    about = "" if key is None else f"{key!r} could not be read or saved: "
    cure, is_transient = "the server refused", False
    if "MISCONF" in str(error):
        cure, is_transient = _FULL, True
    elif any(text in str(error) for text in _IN_SCRIPT):
        cure = _RIGHTS
    else:
        for kind, may_pass, text in _CURES:
            if isinstance(error, kind):
                cure, is_transient = text, may_pass
                break
    return StateStoreError(
        f"{where}: {about}{cure} ({type(error).__name__}: {error})", key=key, transient=is_transient
    )
