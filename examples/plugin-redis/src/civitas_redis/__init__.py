"""A sample Civitas plugin: a state store on a Redis or Valkey server."""

from civitas_redis.store import RedisStateStore

__all__ = ["RedisStateStore"]
