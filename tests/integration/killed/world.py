"""What the agents of a killed program reach, and what outlives it: their models, and a service for their tools."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, Self

from civitas.demo.model_server import Answer, ModelServer
from civitas.frameworks import idempotency_key

__all__ = ["MODELS", "Call", "Script", "World", "did"]

MODELS = "CIVITAS_TEST_MODELS"
_SERVICE = "CIVITAS_TEST_SERVICE"

Script = Mapping[tuple[str, int], Answer]
"""What a model says, by its name and the number of tool results that it is shown."""


@dataclass(frozen=True)
class Call:
    """A call of a model, which is named for the model and the results that it is shown, or of a tool.

    Attributes:
        key: The idempotency key that a tool brought, or nothing.
    """

    name: str
    key: str = ""


def did(name: str, key: str = "") -> str:
    """Call the service, as the tool `name`; its answer.

    Args:
        name: Of the tool.
        key: The idempotency key that it brings; of a framework's tool, that is known.
    """
    key = key or idempotency_key()
    with Client(os.environ[_SERVICE]) as service:
        service.send(Call(name, key))
        return str(service.recv())


class World:
    """Answers the models and the tools, and writes down each call.

    Args:
        script: What the models say.
        folder: Where its socket is, which is to have a short path.

    Attributes:
        calls: Each, in order.
        when: Called with the name of a call when it has come, and with " answered" behind it before it is answered.
    """

    def __init__(self, script: Script, folder: Path) -> None:
        self.calls: list[Call] = []
        self.when: Callable[[str], None] = lambda name: None
        self._script = script
        self._stack = ExitStack()
        self._models = ModelServer(self._say)
        self._service = Listener(str(folder / "world"))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._stack.enter_context(self._models)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with Client(str(self._service.address)) as service:
            service.send(None)
        self._thread.join()
        self._service.close()
        self._stack.close()

    @property
    def environment(self) -> dict[str, str]:
        """What leads a program here."""
        return {MODELS: self._models.url, _SERVICE: str(self._service.address)}

    def _say(self, body: dict[str, Any]) -> Answer:
        shown = sum(each["role"] == "tool" for each in body["messages"])
        name = f"{body['model']}-{shown}"
        self._called(Call(name))
        self.when(f"{name} answered")
        return self._script[body["model"], shown]

    def _serve(self) -> None:
        """One after the other, so that calls which are made at once have an order, too."""
        while True:
            with suppress(EOFError, OSError, AuthenticationError), self._service.accept() as client:
                call = client.recv()
                if call is None:
                    return
                self._answer(client, call)

    def _answer(self, client: Connection[str, Call], call: Call) -> None:
        self._called(call)
        self.when(f"{call.name} answered")
        client.send(f"{call.name} done")

    def _called(self, call: Call) -> None:
        self.calls.append(call)
        self.when(call.name)
