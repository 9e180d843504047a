"""`Gate`: who may come in, with how much, and how long that may take."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from civitas.edge.http.failures import BadRequest, HttpFailure
from civitas.edge.http.leaving import CallerLeft
from civitas.edge.http.options import HttpOptions, is_loopback
from civitas.edge.http.successor import Successor

__all__ = ["OPEN", "Gate"]

_DISCARDED = 16
"""Times as many bytes as are allowed are read and dropped, so that a caller who says no length hears why."""
OPEN = frozenset({"/livez", "/readyz"})
"""What tells whether the system is well is told to whoever asks, as probes carry no token."""


class Gate:
    """Stands before the application.

    Without a token only programs of this machine are let in. A page in a browser of this machine is not one of them: it
    shows itself by its `Origin`, or, under a name that its owner has pointed here, by the `Host` that it asks for.

    Args:
        app: What is behind it.
        options: Who may come in.
    """

    def __init__(self, app: ASGIApp, options: HttpOptions) -> None:
        self._app = app
        self._options = options
        self.closing = False
        """Whether nothing is taken any more."""
        self.successor: Successor | None = None
        """Gets what is still taken; None if it stays here."""
        self._own_paths: Collection[str] = OPEN

    def hands_on(self, successor: Successor, own_paths: Collection[str] = OPEN) -> None:
        """Hand requests on from now on, but for those for what is answered here all the same."""
        self.successor, self._own_paths = successor, own_paths

    def answers(self, app: ASGIApp) -> None:
        """This program leads: answer here from now on."""
        self._app, self.successor = app, None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        scope["civitas.closing"] = self.closing
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        try:
            if path not in OPEN:
                self._let_in(headers)
                if self.closing and self.successor is None and scope["method"] != "GET":
                    text = "the system stops, and takes nothing more"
                    raise BadRequest(text, status=503, code="stopping")
            body = await self._read(headers, receive)
            if self.successor is not None and path not in self._own_paths:
                await self.successor(scope, body, receive, send)
                return
        except CallerLeft:
            return  # with a request that is not whole
        except BadRequest as error:
            failure = HttpFailure.of(error)
            headers_out = failure.headers | {"connection": "close"}
            if failure.status == 401:
                headers_out["www-authenticate"] = "Bearer"
            await JSONResponse(failure.body, failure.status, headers_out)(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if self.closing and message["type"] == "http.response.start":
                # The next request of its caller is to come to whoever answers by then.
                own = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": own}
            await send(message)

        await self._app(scope, _Received(body, receive), answer)

    def _let_in(self, headers: dict[bytes, str]) -> None:
        token = self._options.token
        if token is not None:
            kind, _, shown = headers.get(b"authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(
                shown.strip().encode("latin-1"), token.encode()
            ):
                text = "show the token of the edge: Authorization: Bearer TOKEN (the api_key of an OpenAI client)"
                raise BadRequest(text, status=401, code="invalid_api_key")
            return
        host = urlsplit(f"//{headers.get(b'host', '')}").hostname or ""
        if not is_loopback(host):
            text = f"this edge has no token, and answers to the names of this machine only, not to {host!r}"
            raise BadRequest(text, status=403, code="wrong_host")
        origin = headers.get(b"origin")
        if origin is not None and not is_loopback(urlsplit(origin).hostname or ""):
            text = f"this edge has no token, and pages of {origin!r} may not use it; give it one (edge.http.token)"
            raise BadRequest(text, status=403, code="wrong_origin")

    async def _read(self, headers: dict[bytes, str], receive: Receive) -> bytes:
        most = self._options.max_body
        said = headers.get(b"content-length", "0")
        if said.isdecimal() and int(said) > most:
            raise _too_large(most)
        body, size = bytearray(), 0
        try:
            async with asyncio.timeout(self._options.patience):
                while (message := await receive())["type"] == "http.request":
                    part = message.get("body", b"")
                    size += len(part)
                    if size <= most:
                        body += part
                    if not message.get("more_body") or size > _DISCARDED * most:
                        break
                else:
                    raise CallerLeft
        except TimeoutError:
            text = f"the request was not there within {self._options.patience:g} s"
            raise BadRequest(text, status=408, code="too_slow") from None
        if size > most:
            raise _too_large(most)
        return bytes(body)


def _too_large(most: int) -> BadRequest:
    return BadRequest(
        f"the body is larger than {most:,} bytes (edge.http.max_body)",
        status=413,
        code="too_large",
    )


class _Received:
    """The body as a whole, and then what the server says: that the caller has left."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        while (message := await self._receive())["type"] == "http.request":
            pass
        return message
