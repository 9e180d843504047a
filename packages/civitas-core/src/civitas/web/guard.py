"""`Guard`: who may read, who may act, and what a browser may do with what it gets."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from civitas.edge.http.options import is_loopback

__all__ = ["Guard"]

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Refuses what must not reach the application; ASGI middleware.

    The token travels in a header that no other page can set, never in a cookie: a forged request has none.

    Args:
        app: The application.
        host: Where it is served. On loopback only the names of this machine are answered, as a name of somebody
            else's may be made to lead here.
        token: What whoever acts must know, and off loopback also whoever reads; None lets nobody act.
    """

    def __init__(self, app: ASGIApp, *, host: str, token: str | None) -> None:
        self._app = app
        self._local = is_loopback(host)
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, protected)
            return
        status, text = refusal
        await JSONResponse({"error": text}, status)(scope, receive, protected)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._local and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            return (
                421,
                f"this page is served on this machine only; open it as localhost, not as {host!r}",
            )
        if not scope["path"].startswith("/api/"):
            return None
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return 403, f"a page of {origin!r} asks; only this server's own page may"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "another site's page asks; only this server's own page may"
        reads = scope["method"] in ("GET", "HEAD")
        if reads and self._local:
            return None
        if self._token is None:
            return 403, "this page is read-only; start `civitas web` with --token to act"
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return 401, "the token is missing or wrong"
        if not reads and headers.get("content-type", "").split(";")[0] != "application/json":
            return 415, "an action is JSON"
        return None
