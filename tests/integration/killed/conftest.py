"""Runs that are killed, in OS processes of their own."""

from __future__ import annotations

from tests.integration.processes.conftest import _no_process_left_behind

__all__ = ["_no_process_left_behind"]
