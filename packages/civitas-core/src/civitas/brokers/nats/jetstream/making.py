"""Makes streams and consumers, or finds them there as they are wanted; what is there is never changed.

Always the whole configuration is sent: the server takes what is left out for its default, also in an update.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from civitas.brokers.nats.jetstream.refusals import NatsRefusal
from civitas.brokers.nats.jetstream.server import JetStream
from civitas.errors import ConfigurationError

__all__ = ["make_consumer", "make_stream"]

_TAKEN = (10058, 10065, 10148)
"""Of a name, by somebody who was quicker."""
_STREAM: Mapping[str, Any] = {
    "retention": "limits",
    "max_consumers": -1,
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "discard": "old",
    "discard_new_per_subject": False,
    "storage": "file",
    "num_replicas": 1,
    "duplicate_window": 120 * 10**9,
    "allow_direct": False,
    "allow_msg_ttl": False,
    "allow_rollup_hdrs": False,
    "deny_delete": False,
    "deny_purge": False,
    "sealed": False,
    "persist_mode": "",
    "mirror": None,
    "sources": None,
}
"""What of a stream is looked at, as it is where nothing is said of it."""
_CONSUMER: Mapping[str, Any] = {
    "deliver_policy": "all",
    "ack_policy": "explicit",
    "ack_wait": 30 * 10**9,
    "max_deliver": -1,
    "max_ack_pending": 1000,
    "max_waiting": 512,
    "filter_subject": "",
    "filter_subjects": None,
    "inactive_threshold": 0,
    "backoff": None,
    "headers_only": False,
    "num_replicas": 0,
    "mem_storage": False,
    "priority_policy": "",
}
_CURES = {
    10074: "the server is not in a cluster, which replicas need. Write replicas: 1, or name the servers of a cluster",
    10005: "the cluster has too few servers for so many replicas. Lower replicas, or start the missing servers",
    10047: "the server or the account has too little storage for it. Lower max_bytes, or raise their limits",
    10023: "the server or the account has too little storage for it. Lower max_bytes, or raise their limits",
    10028: "the storage of the server is full. Free some space, or raise its limits",
    10026: "the stream has as many consumers as it may. Raise max_consumers of the stream or the account",
    10027: "the account has as many streams as it may. Raise its limits",
    10039: "JetStream is not enabled for this account. Enable it in the server's configuration",
    10065: "another stream takes these subjects. Give this system another name or prefix, or remove that stream",
}


async def make_stream(server: JetStream, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Make a stream, or find it there as it is wanted.

    Args:
        server: Where.
        wanted: Its configuration in the words of the server; `name` and `subjects` are part of it.

    Returns:
        What the server says of it.

    Raises:
        ConfigurationError: It is there with other settings, or the server will not make it; names the cure.
        ServerAway: No server answered.
    """
    name = str(wanted["name"])
    found = await _find(server, f"STREAM.INFO.{name}")
    if found is None:
        found = await _make(
            server,
            f"the stream {name!r}",
            f"STREAM.CREATE.{name}",
            f"STREAM.INFO.{name}",
            _whole(_STREAM, wanted),
        )
    _check_same(f"the stream {name!r}", {**_STREAM, **wanted}, found["config"])
    return found


async def make_consumer(
    server: JetStream, stream: str, wanted: Mapping[str, Any]
) -> dict[str, Any]:
    """Make a durable consumer, or find it there as it is wanted; as `make_stream`.

    Args:
        server: Where.
        stream: Of which stream.
        wanted: Its configuration; `name` and `filter_subject` are part of it.
    """
    name = str(wanted["name"])
    what = f"the consumer {name!r} of the stream {stream!r}"
    found = await _find(server, f"CONSUMER.INFO.{stream}.{name}")
    if found is None:
        found = await _make(
            server,
            what,
            f"CONSUMER.CREATE.{stream}.{name}.{wanted['filter_subject']}",
            f"CONSUMER.INFO.{stream}.{name}",
            {
                "stream_name": stream,
                "config": {**_whole(_CONSUMER, wanted), "durable_name": name},
                "action": "create",
            },
        )
    _check_same(what, {**_CONSUMER, **wanted}, found["config"])
    return found


def _whole(usual: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**usual, **wanted}.items() if value not in (None, "")}


async def _find(server: JetStream, question: str) -> dict[str, Any] | None:
    try:
        return await server.api(question)
    except NatsRefusal as error:
        if error.is_gone:
            return None
        raise _unusable(question, error) from error


async def _make(
    server: JetStream, what: str, request: str, question: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        return await server.api(request, **body)
    except NatsRefusal as error:
        if error.code in _TAKEN:
            try:
                return await server.api(question)
            except NatsRefusal as gone:
                raise _unusable(what, error) from gone
        raise _unusable(what, error) from error


def _unusable(what: str, error: NatsRefusal) -> ConfigurationError:
    cure = _CURES.get(error.code, "the server refused")
    return ConfigurationError(f"nats: {what} cannot be made: {cure} ({error})")


def _check_same(what: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    problems = list(_differences(wanted, found))
    if problems:
        raise ConfigurationError(
            f"nats: {what} is there with other settings and was left as it is: {'; '.join(problems)}. Say the same in "
            "the topology, change it with the command nats, or give this system another name or prefix"
        )


def _differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for key, value in wanted.items():
        if key in ("description", "metadata", "name"):
            continue  # people may write something else there
        known = _STREAM if key in _STREAM else _CONSUMER
        there = found.get(key, known.get(key))
        if (there or None) != (value or None):
            yield f"{key} is {there!r}, not {value!r}"
