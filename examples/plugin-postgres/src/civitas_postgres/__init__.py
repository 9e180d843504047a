"""A sample Civitas plugin: a state store in a PostgreSQL database."""

from civitas_postgres.store import PostgresStateStore

__all__ = ["PostgresStateStore"]
