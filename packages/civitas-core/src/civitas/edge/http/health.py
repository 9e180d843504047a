"""`/livez`, `/readyz` and `/metrics`: whether the system is well, for those who look after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from civitas.edge.http.served_system import ServedSystem
from civitas.errors import ConfigurationError
from civitas.telemetry.scraping import labels_of

__all__ = ["HealthApi"]

_WELL = frozenset({"running", "stopped"})
"""What agents may be in a system that is ready: one that ended as it should is not missing."""


class HealthApi:
    """Tells how the system is.

    Args:
        served: The system.
        system: Its name.
    """

    def __init__(self, served: ServedSystem, system: str) -> None:
        self._served = served
        self._system = system

    async def live(self, _: Request) -> Response:
        """The event loop turns."""
        return JSONResponse({"status": "live"})

    async def ready(self, request: Request) -> Response:
        """Whether work is taken, and everybody is there who should do it."""
        why = "it is stopping" if request.scope["civitas.closing"] else self._missing()
        if why:
            return JSONResponse({"status": "not ready", "why": why}, 503)
        return JSONResponse({"status": "ready"})

    def _missing(self) -> str:
        try:
            down = [each for each in _walk(self._served.tree()) if each["status"] not in _WELL]
        except ConfigurationError:
            return "it does not run"
        return ", ".join(f"{each['name']!r} is {each['status']}" for each in down[:10])

    async def metrics(self, _: Request) -> Response:
        """What the tree says and what is counted and measured, in the text format of Prometheus."""
        lines = [
            "# HELP civitas_agent_up Whether an agent or supervisor is running.",
            "# TYPE civitas_agent_up gauge",
        ]
        restarts = [
            "# HELP civitas_agent_restarts_total Restarts since the system started.",
            "# TYPE civitas_agent_restarts_total counter",
        ]
        depths = [
            "# HELP civitas_mailbox_depth Messages that wait in a mailbox.",
            "# TYPE civitas_mailbox_depth gauge",
        ]
        for each in _walk(self._served.tree()):
            about = {key: each[key] for key in ("name", "kind", "node")}
            labels = labels_of({"system": self._system, **about})
            lines.append(f"civitas_agent_up{labels} {int(each['status'] == 'running')}")
            restarts.append(f"civitas_agent_restarts_total{labels} {each['restarts']}")
            if each["kind"] != "supervisor":
                depths.append(f"civitas_mailbox_depth{labels} {each['mailbox_depth']}")
        text = "\n".join([*lines, *restarts, *depths]) + "\n" + self._served.scrape()
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


def _walk(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield tree
    if tree["kind"] != "conversation_pool":
        for child in tree["children"]:
            yield from _walk(child)
