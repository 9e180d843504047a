"""The application: what is at which path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from civitas.edge.http.agents import AgentsApi
from civitas.edge.http.chat import ChatApi
from civitas.edge.http.failures import BadRequest, HttpFailure
from civitas.edge.http.health import HealthApi
from civitas.edge.http.leaving import CallerLeft
from civitas.edge.http.recording import Recordings
from civitas.edge.http.responses import ResponsesApi
from civitas.edge.http.served_system import ServedSystem

__all__ = ["make_app"]

_LEFT = 499
Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(served: ServedSystem, system: str, recordings: Recordings) -> Starlette:
    """Make it.

    Args:
        served: The system.
        system: Its name.
        recordings: What its runs tell.
    """
    chat = ChatApi(served, system)
    responses = ResponsesApi(served)
    agents = AgentsApi(served, recordings)
    health = HealthApi(served, system)

    def route(path: str, endpoint: Endpoint, method: str) -> Route:
        return Route(path, _told(endpoint), methods=[method])

    return Starlette(
        routes=[
            route("/v1/models", chat.models, "GET"),
            route("/v1/models/{name:path}", chat.model, "GET"),
            route("/v1/chat/completions", chat.complete, "POST"),
            route("/v1/responses", responses.create, "POST"),
            route("/agents/{name:path}/ask", agents.ask, "POST"),
            route("/agents/{name:path}/send", agents.send, "POST"),
            route("/agents/{name:path}/stream", agents.stream, "POST"),
            route("/agents/{name:path}/resume", agents.resume, "POST"),
            route("/runs/{run:path}/events", agents.events, "GET"),
            route("/runs/{run:path}", agents.run, "GET"),
            route("/runs/{run:path}", agents.cancel, "DELETE"),
            route("/livez", health.live, "GET"),
            route("/readyz", health.ready, "GET"),
            route("/metrics", health.metrics, "GET"),
        ],
        exception_handlers={404: _nothing_there, 405: _other_method},
    )


def _told(endpoint: Endpoint) -> Endpoint:
    """Tell a failure in the API's own form."""

    async def told(request: Request) -> Response:
        try:
            return await endpoint(request)
        except CallerLeft:
            return Response(status_code=_LEFT)  # nobody reads it
        except Exception as error:
            failure = HttpFailure.of(error)
            return JSONResponse(failure.body, failure.status, failure.headers)

    return told


async def _nothing_there(request: Request, _: Any) -> Response:
    text = (
        f"there is nothing at {request.url.path}; there are /v1/chat/completions, /v1/responses, /v1/models, "
        "/agents/NAME/ask|send|stream|resume, /runs/ID, /runs/ID/events, /livez, /readyz and /metrics"
    )
    failure = HttpFailure.of(BadRequest(text, status=404, code="not_found"))
    return JSONResponse(failure.body, failure.status, failure.headers)


async def _other_method(request: Request, _: Any) -> Response:
    text = f"{request.url.path} does not take {request.method}"
    failure = HttpFailure.of(BadRequest(text, status=405, code="method_not_allowed"))
    return JSONResponse(failure.body, failure.status, failure.headers)
