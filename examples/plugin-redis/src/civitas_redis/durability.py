"""What the settings of a Redis server let a state store promise."""

from __future__ import annotations

import logging
from typing import Any

from redis.exceptions import ResponseError

from civitas import StateStoreError

__all__ = ["check_durability"]

logger = logging.getLogger("civitas_redis")

_WANTED = "Set 'appendonly yes' and 'appendfsync always' to keep everything that was acknowledged"


async def check_durability(redis: Any, where: str) -> None:
    """Refuse a server that cannot keep state, and warn about one that may lose what it has acknowledged.

    Raises:
        StateStoreError: It drops what it likes when its memory is full, or is one of a Redis Cluster.
    """
    info = await redis.info()
    if info.get("cluster_enabled"):
        raise StateStoreError(
            f"{where}: it is part of a Redis Cluster, where no change can span keys. Use a single server, with "
            "replicas if you like"
        )
    policy = str(info.get("maxmemory_policy", ""))
    if info.get("maxmemory") and policy.startswith("allkeys"):
        raise StateStoreError(
            f"{where}: it drops keys when its memory is full (maxmemory-policy {policy}). Set 'maxmemory-policy "
            "noeviction', or use another server for state than for a cache"
        )
    if info.get("aof_enabled") == 0:
        logger.warning(
            "%s saves snapshots only (appendonly no): what was acknowledged since the last one is lost when it "
            "stops. %s",
            where,
            _WANTED,
        )
        return
    try:
        sync = (await redis.config_get("appendfsync")).get("appendfsync")
    except ResponseError:  # many services that host Redis do not say
        sync = None
    if sync != "always":
        logger.warning(
            "%s %s: when its machine stops, up to some seconds of what was acknowledged are lost. %s",
            where,
            "does not say when it syncs its file" if sync is None else f"has appendfsync {sync}",
            _WANTED,
        )
