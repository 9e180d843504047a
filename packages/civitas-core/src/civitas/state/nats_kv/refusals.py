"""What the answers of a NATS server mean for whoever runs the system, and how to fix them."""

from __future__ import annotations

from civitas.brokers.nats.jetstream import NatsRefusal, ServerAway
from civitas.errors import StateStoreError

__all__ = ["explain"]

_FULL = (10023, 10047, 10077, 10028, 10122)

_CURES = {
    **dict.fromkeys(
        _FULL,
        "the storage is full. Free some space, or raise the limits of the bucket, the account or the server; what was "
        "saved before is still there",
    ),
    10054: "the bucket does not take values of this size. Raise the limit of its values (max_msg_size)",
    10039: "JetStream is not enabled for this account. Enable it in the server's configuration",
    10076: "JetStream is not enabled. Start the server with -js, or with jetstream {} in its configuration",
    10074: "the server is not in a cluster, which replicas need. Write replicas: 1, or name the servers of a cluster",
    10005: "the cluster has too few servers for so many replicas. Lower replicas, or start the missing servers",
    10059: "the bucket was removed while it was in use, and nothing is saved any more. Restore it from a backup and "
    "start again",
    10110: "its values cannot be removed, as the bucket says deny_purge. Give the state store a bucket of its own",
    10109: "the bucket is sealed. Give the state store a bucket of its own",
}


def explain(
    where: str, bucket: str, error: BaseException, key: str | None = None
) -> StateStoreError:
    """Turn what went wrong into an error that names the server and the cure.

    Args:
        where: The servers, as people may read them.
        bucket: Its name.
        error: What was raised.
        key: What was not saved or read.
    """
    about = "cannot use" if key is None else f"{key!r} could not be read or saved in"
    place = f"{about} the state store, bucket {bucket!r} of the NATS server {where}"
    if isinstance(error, ServerAway):
        return StateStoreError(f"{place}: {error}", key=key, transient=True)
    if isinstance(error, NatsRefusal):
        cure = _CURES.get(error.code, "the server refused")
        return StateStoreError(
            f"{place}: {cure} ({error})", key=key, transient=error.is_full or error.may_pass
        )
    return StateStoreError(f"{place}: {type(error).__name__}: {error}", key=key)
