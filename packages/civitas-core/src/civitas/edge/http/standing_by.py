"""What the HTTP edge of a program that stands by says of itself; all else is answered by the one that leads."""

from __future__ import annotations

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from civitas.edge.http.ahead import Ahead

__all__ = ["OWN_PATHS", "StandingBy"]

OWN_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
"""What each program answers for itself."""
_METRICS = "# This root stands by. The one that leads has the metrics of the system.\n"


class StandingBy:
    """The application of an edge whose program does not lead.

    Args:
        ahead: Finds the program that does.
    """

    def __init__(self, ahead: Ahead) -> None:
        self._ahead = ahead

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for one of `OWN_PATHS`."""
        await (await self._answer(scope["path"]))(scope, receive, send)

    async def _answer(self, path: str) -> Response:
        if path == "/livez":
            return JSONResponse({"status": "live"})
        if path == "/metrics":
            return PlainTextResponse(_METRICS, media_type="text/plain; version=0.0.4")
        if why := await self._ahead.missing():
            return JSONResponse({"status": "not ready", "why": why}, 503)
        return JSONResponse({"status": "stands by"})
