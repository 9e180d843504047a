"""The pages and what they ask for."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from civitas.errors import CivitasError
from civitas.web.feed import Feed, Reach
from civitas.web.guard import Guard

__all__ = ["make_application"]

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_PATIENCE = 10.0
_LARGEST = 1 << 20


class _Pages:
    """Answers requests about one system.

    Args:
        reach: Finds it.
        feed: Watches it.
        acts: Whether there is a token, so that somebody may act.
    """

    def __init__(self, reach: Reach, feed: Feed, *, acts: bool) -> None:
        self._reach = reach
        self._feed = feed
        self._acts = acts
        folder = files("civitas.web") / "static"
        self._files = {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}

    async def file(self, request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        content = self._files.get(name)
        if content is None:
            return JSONResponse({"error": "there is no such page"}, 404)
        return Response(content, media_type=_TYPES["." + name.rpartition(".")[2]])

    async def events(self, request: Request) -> Response:
        return StreamingResponse(self._feed.watch(), media_type="text/event-stream")

    async def about(self, request: Request) -> Response:
        return JSONResponse({"acts": self._acts})

    async def answer(self, request: Request) -> Response:
        """What a run answered, or asks."""
        run = request.path_params["run"]
        return await self._do("result", run=run, timeout=1.0)

    async def act(self, request: Request) -> Response:
        if int(request.headers.get("content-length", 0)) > _LARGEST:
            return JSONResponse({"error": "the request is too large"}, 413)
        try:
            wanted = await request.json()
            match wanted:
                case {"do": "cancel", "run": str(run)}:
                    return await self._do("cancel", run=run)
                case {
                    "do": "resume",
                    "agent": str(agent),
                    "conversation": str(talk),
                    "value": value,
                }:
                    # Accepted is enough: what comes of it is seen on the page.
                    return await self._do(
                        "send", to=agent, payload={"value": value}, type="resume", conversation=talk
                    )
        except (ValueError, RecursionError):
            pass
        return JSONResponse({"error": "there is no such action"}, 400)

    async def _do(self, operation: str, **arguments: Any) -> Response:
        try:
            async with self._reach() as system:
                done = await system.request(
                    operation, within=_PATIENCE, by="the web page", **arguments
                )
        except CivitasError as error:
            return JSONResponse({"error": str(error)}, 409)
        return JSONResponse({"ok": done})


def make_application(reach: Reach, feed: Feed, *, host: str, token: str | None) -> Starlette:
    """The application.

    Args:
        reach: Finds the running system.
        feed: Watches it.
        host: Where it is served.
        token: See `Guard`.
    """
    pages = _Pages(reach, feed, acts=token is not None)
    return Starlette(
        routes=[
            Route("/", pages.file),
            Route("/static/{name}", pages.file),
            Route("/api/about", pages.about),
            Route("/api/events", pages.events),
            Route("/api/runs/{run:path}/answer", pages.answer),
            Route("/api/act", pages.act, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, host=host, token=token)],
    )
