"""What the tests of an adapter are given: what its author writes, and what each test makes of it."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from civitas.frameworks import FrameworkAgent, wrap
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.state import SQLiteStateStore, StateStore
from civitas.supervision import ConversationPool, Supervisor
from civitas.testing.adapter_model import SuiteModel

__all__ = ["AdapterCase"]


class AdapterCase:
    """The methods that the author of an adapter writes, and the fixtures; `AdapterSuite` has the tests.

    Attributes:
        approves: What a human answers to go on.
        blocking: The framework calls its models in threads, where a call cannot be ended from outside.
        tells_calls: The next message of a conversation is told about the tool calls that a failed run made.
    """

    approves: ClassVar[Any] = True
    blocking: ClassVar[bool] = False
    tells_calls: ClassVar[bool] = False

    # What the author of an adapter writes.

    def subject(
        self, model: SuiteModel, *, calls: int = 1, approval: bool = False, tools: Any = ()
    ) -> Any:
        """The framework's object, or a function without arguments that builds it.

        Args:
            model: Make a model of the framework from it: each call is `await model.answer(texts)`, or
                `model.answer_blocking(texts)` in a thread. One that streams tells the text in pieces.
            calls: It calls the model so often, in steps one after the other; the last text is its answer.
            approval: It asks a human before it ends.
            tools: Tools of the framework that the model may call; the model is called again with the result.
        """
        raise NotImplementedError(f"{type(self).__name__} must define subject(self, model, ...)")

    def agent(self, name: str, subject: Any, **keywords: Any) -> FrameworkAgent:
        """The agent for `subject`; by default what `civitas.wrap` makes of it."""
        return cast(FrameworkAgent, wrap(subject, name=name, **keywords))

    def payload(self, text: str) -> Any:
        """What to send, to say `text`."""
        raise NotImplementedError(f"{type(self).__name__} must define payload(self, text)")

    def text(self, payload: Any) -> str:
        """The answer in the payload of a reply."""
        raise NotImplementedError(f"{type(self).__name__} must define text(self, payload)")

    def tool(self, name: str) -> Any:
        """The framework's tool that asks the agent `name`."""
        raise NotImplementedError(f"{type(self).__name__} must define tool(self, name)")

    @pytest.fixture
    def make_store(self) -> Callable[[], StateStore] | None:
        """Makes the store of each runtime, and again one that finds what the last one kept.

        None, the default: state is kept in memory, and in an SQLite file where a second runtime is to find it.
        """
        return None

    # What the tests use.

    @pytest.fixture(autouse=True)
    def _nobody_phones_home(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Refuse every address that is not this machine's."""
        outside: list[object] = []
        connect = socket.socket.connect

        def watched(sock: socket.socket, address: Any) -> None:
            if isinstance(address, tuple) and not ipaddress.ip_address(address[0]).is_loopback:
                outside.append(address)
                raise ConnectionRefusedError(f"{address} is not this machine")
            connect(sock, address)

        monkeypatch.setattr(socket.socket, "connect", watched)
        yield
        if outside:
            pytest.fail(f"the framework contacted {outside}")

    @pytest.fixture
    def models(self) -> Iterator[list[SuiteModel]]:
        """The models of the test; those that hang are let go in the end."""
        made: list[SuiteModel] = []
        yield made
        for each in made:
            each.let_go.set()

    @pytest.fixture
    def model(self, models: list[SuiteModel]) -> Any:
        """Makes a model that plays the given turns."""

        def make(*turns: Any) -> SuiteModel:
            models.append(SuiteModel(*turns))
            return models[-1]

        return make

    @pytest.fixture
    def run(self, make_store: Callable[[], StateStore] | None) -> Any:
        """Makes a runtime with these agents; `folder` is for state that the next one is to find."""

        def make(
            *agents: AgentProcess | ConversationPool, folder: Path | None = None, **keywords: Any
        ) -> Runtime:
            root = Supervisor("root", children=list(agents), backoff="NONE")
            if make_store is not None:
                keywords["state_store"] = partial(_closed_later, make_store)
            elif folder is not None:
                file = folder / "civitas.db"
                keywords["state_store"] = partial(_closed_later, partial(SQLiteStateStore, file))
            return Runtime(root, **keywords)

        return make

    def _restarts(self, runtime: Runtime) -> int:
        return cast(int, runtime.tree()["children"][0]["restarts"])

    async def _chunks(self, runtime: Runtime, text: str) -> list[Message]:
        async with contextlib.aclosing(runtime.stream("a", self.payload(text))) as stream:
            return [each async for each in stream]


def _closed_later(make_store: Callable[[], StateStore]) -> Any:
    """A store, and what the runtime closes it with."""
    store: Any = make_store()
    return store, store.close
