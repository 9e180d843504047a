"""The pages and what they ask for."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from civitas.errors import CivitasError
from civitas.message.json_form import json_form
from civitas.web.conversations import Conversations, cut
from civitas.web.feed import Feed, Reach, Reached
from civitas.web.guard import Guard

__all__ = ["make_application"]

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_PATIENCE = 10.0
_UNTIL_DONE = 60.0
"""Seconds for an action: an agent may be in the middle of something when it is to stop."""
_LARGEST = 1 << 20
_LETTERS = 100
"""So many dead letters are shown."""


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
        self._conversations = Conversations()
        folder = files("civitas.web") / "static"
        self._files = {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}
        # All modules at once, rather than each when another has asked for it.
        links = "".join(
            f'<link rel="modulepreload" href="/static/{name}">\n'
            for name in sorted(self._files)
            if name.endswith(".js")
        )
        page = self._files["index.html"]
        self._files["index.html"] = page.replace(b"</head>", links.encode() + b"</head>")

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
        run = _named(request, "run")
        return await self._answer(
            lambda system: system.request("result", within=_PATIENCE, run=run, timeout=1.0)
        )

    async def agent(self, request: Request) -> Response:
        """One agent, looked into."""

        async def look(system: Reached) -> Any:
            found = await system.request("inspect", within=_PATIENCE, name=_named(request, "name"))
            state = found.get("state")
            return {**found, "state": cut(_indented(state)) if state else ""}

        return await self._answer(look)

    async def conversations(self, request: Request) -> Response:
        """The conversations of an agent."""
        agent = _named(request, "agent")
        return await self._answer(lambda system: self._conversations.listed(system, agent))

    async def conversation(self, request: Request) -> Response:
        """The messages of one."""
        name = _named(request, "name")
        return await self._answer(lambda system: self._conversations.shown(system, name))

    async def traces(self, request: Request) -> Response:
        """The traces of the last moments; they are recorded for as long as somebody asks."""
        opened = _named(request, "opened")
        return await self._answer(
            lambda system: system.request("traces", within=_PATIENCE, opened=opened)
        )

    async def run(self, request: Request) -> Response:
        """One run, with its steps."""
        name = _named(request, "name")
        return await self._answer(lambda system: system.request("run", within=_PATIENCE, run=name))

    async def letters(self, request: Request) -> Response:
        """The newest dead letters, and how many there are."""

        async def look(system: Reached) -> Any:
            found = await system.request("dead_letters", within=_PATIENCE)
            return {"letters": found[: -_LETTERS - 1 : -1], "all": len(found)}

        return await self._answer(look)

    async def letter(self, request: Request) -> Response:
        """One dead letter, with what is in it."""

        async def look(system: Reached) -> Any:
            number = _named(request, "number")
            found = await system.request("dead_letter", within=_PATIENCE, key=number)
            return {**found, "payload": cut(_indented(found["payload"]))}

        return await self._answer(look)

    async def act(self, request: Request) -> Response:
        if int(request.headers.get("content-length", 0)) > _LARGEST:
            return JSONResponse({"error": "the request is too large"}, 413)
        try:
            match await request.json():
                case {"do": "replay" | "drop" as what, "letter": int(number)}:
                    return await self._do(what, key=number)
                case {"do": "cancel", "run": str(run)}:
                    return await self._do("cancel", run=run)
                case {
                    "do": "restart" | "stop" | "start" | "pause" | "resume" as what,
                    "agent": str(agent),
                }:
                    return await self._do(what, name=agent)
                case {
                    "do": "answer",
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
        return await self._answer(
            lambda system: system.request(
                operation, within=_UNTIL_DONE, by="the web page", **arguments
            )
        )

    async def _answer(self, do: Callable[[Reached], Awaitable[Any]]) -> Response:
        try:
            async with self._reach() as system:
                done = await do(system)
        except CivitasError as error:
            return JSONResponse({"error": str(error)}, 409)
        text = json.dumps({"ok": json_form(done)}, ensure_ascii=False)
        return Response(text.encode("utf-8", "replace"), media_type="application/json")


def _indented(value: Any) -> str:
    return json.dumps(json_form(value), ensure_ascii=False, indent=2)


def _named(request: Request, what: str) -> str:
    return request.query_params.get(what, "")


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
            Route("/api/answer", pages.answer),
            Route("/api/agent", pages.agent),
            Route("/api/conversations", pages.conversations),
            Route("/api/conversation", pages.conversation),
            Route("/api/run", pages.run),
            Route("/api/letters", pages.letters),
            Route("/api/letter", pages.letter),
            Route("/api/traces", pages.traces),
            Route("/api/act", pages.act, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, host=host, token=token)],
    )
