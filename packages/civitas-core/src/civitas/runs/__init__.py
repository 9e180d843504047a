"""Runs: the messages of durable agents, kept in the state store from their acceptance on, and their answers."""

from civitas.runs.info import RunInfo, RunStatus

__all__ = ["RunInfo", "RunStatus"]
