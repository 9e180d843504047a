"""A scripted model behind the OpenAI APIs, on loopback: chat completions and responses, plain and streamed.

For the demo and for tests: the frameworks talk to it over HTTP as they talk to a real model.

    with ModelServer(["first answer", ToolCall("search", {"query": "otters"}), "last answer"]) as server:
        client = AsyncOpenAI(base_url=server.url, api_key="scripted")
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, TypeAlias

from civitas.demo import model_replies
from civitas.demo.model_replies import Answer, Failure, ToolCall

__all__ = ["Answer", "Failure", "ModelServer", "Script", "ToolCall"]


Script: TypeAlias = "Iterable[Answer] | Callable[[dict[str, Any]], Answer]"
"""One answer after the other, or a function from the request's body to the answer."""


class ModelServer:
    """Serves a script on a free port of 127.0.0.1, from its own thread, until the `with` block ends.

    Entered again, it is on the same port.

    Args:
        script: The answers.
        latency: Seconds before each answer.

    Attributes:
        requests: The body of each request so far, in order.
        headers: The headers of each, their names in lower case.
    """

    def __init__(self, script: Script, *, latency: float = 0.0) -> None:
        self._answer = script if callable(script) else _one_by_one(script)
        self._latency = latency
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._port = 0
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Base URL for a client, such as ``http://127.0.0.1:40123/v1``."""
        if self._server is None:
            raise RuntimeError(
                "the model server is not running; use it as `with ModelServer(...) as server:`"
            )
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def count(self) -> int:
        """How many requests came so far."""
        return len(self.requests)

    def __enter__(self) -> Self:
        self._server = _Server(self._respond, self._port)
        self._port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="scripted-model", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.shutdown()
            server.close_connections()
            server.server_close()
            thread.join()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Close its port and every connection for the `with` block, as in an outage of a provider."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def _respond(self, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        self.headers.append(headers)
        self.requests.append(body)
        try:
            answer = self._answer(body)
        except Exception as error:
            answer = Failure(400, f"the script failed: {type(error).__name__}: {error}")
        if self._latency:
            time.sleep(self._latency)
        return answer


def _one_by_one(answers: Iterable[Answer]) -> Callable[[dict[str, Any]], Answer]:
    remaining = iter(answers)
    lock = threading.Lock()  # each request has a thread of its own

    def next_answer(body: dict[str, Any]) -> Answer:
        with lock:
            return next(remaining, Failure(400, "the script has no more answers"))

    return next_answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # With the stock 5, the sixth of several clients that connect at once waits for a second.
    request_queue_size = 512

    def __init__(
        self, respond: Callable[[dict[str, Any], dict[str, str]], Answer], port: int
    ) -> None:
        self.respond = respond
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        # The stock one looks up the host's name, which may ask a name server.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        # Clients keep connections open; each would keep its thread.
        for request in tuple(self._open):
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients going away are nothing to report."""


# For each path, the whole answer and its pieces.
_REPLIES = {
    "/v1/chat/completions": (model_replies.completion, model_replies.chunks),
    "/v1/responses": (model_replies.response, model_replies.events),
}


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes: without this, the second waits 40 ms for the client's acknowledgement.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        replies = _REPLIES.get(self.path)
        if replies is None:
            text = f"{self.path} is not served here; {' and '.join(_REPLIES)} are"
            self._send_json(404, model_replies.error(text))
            return
        whole, pieces = replies
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.respond(body, headers)
        if isinstance(answer, Failure):
            self._send_json(answer.status, model_replies.error(answer.message), answer.retry_after)
        elif body.get("stream"):
            self._send_events(pieces(body, answer))
        else:
            self._send_json(200, whole(body, answer))

    def _send_json(
        self, status: int, body: dict[str, Any], retry_after: float | None = None
    ) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if retry_after is not None:
            self.send_header("Retry-After", f"{retry_after:g}")
        self.end_headers()
        self.wfile.write(data)

    def _send_events(self, chunks: Iterator[dict[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            self._send_part(_event(chunk))
        if self.path == "/v1/chat/completions":
            self._send_part(b"data: [DONE]\n\n")
        self._send_part(b"")

    def _send_part(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _event(data: dict[str, Any]) -> bytes:
    # Those of the responses API have names, which are their types.
    name = f"event: {data['type']}\n" if "type" in data else ""
    return f"{name}data: {json.dumps(data)}\n\n".encode()
