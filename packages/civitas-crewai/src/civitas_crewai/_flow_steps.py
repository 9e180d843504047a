"""The methods of a flow as steps of a run: each is done once, and told when it begins."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from civitas.errors import ConfigurationError, PayloadError
from civitas_crewai._flow_state import changes, fields_of, put
from civitas_crewai._once import counting, fail, scope, settle
from civitas_crewai._packing import pack, unpack

if TYPE_CHECKING:
    from crewai.flow.flow import Flow

    from civitas.frameworks import Run
    from civitas_crewai._once import MadeCalls
    from civitas_crewai._own_loop import Bridge
    from civitas_crewai._stream import Voice

__all__ = ["FlowSteps"]


class FlowSteps:
    """Makes each method of a flow a step of its run.

    What a method returned and what it changed of the state are kept. When the run is gone through again, they are put
    in place of calling it, and CrewAI goes on from there.

    Args:
        flow: Of this run alone.
        run: The run.
        calls: Where what is done is kept.
        bridge: To the agent's loop.
        voice: Tells the reader; None if there is none.
        told: The steps that the reader has heard of; those that begin are added.
    """

    def __init__(
        self,
        flow: Flow[Any],
        run: Run,
        calls: MadeCalls,
        bridge: Bridge,
        voice: Voice | None,
        told: set[str],
    ) -> None:
        self._flow = flow
        self._run = run
        self._calls = calls
        self._bridge = bridge
        self._voice = voice
        self._told = told
        self._visits: Counter[str] = Counter()
        methods = flow._definition.methods
        self._judged = {str(each) for each in methods if methods[each].human_feedback is not None}
        self._working = 0
        self._idle = asyncio.Event()
        self.unkept: ConfigurationError | None = None
        """Why the run cannot be gone through again, if it cannot."""

    def watch(self) -> None:
        """Put the steps in the place of the flow's methods."""
        methods: dict[Any, Any] = self._flow._methods
        for name, method in methods.items():
            methods[name] = self._step(str(name), method)

    def leave(self) -> None:
        """A method is done, and a human has judged what it returned or is about to be asked, if its flow says so."""
        self._working -= 1
        self._idle.set()

    async def others(self) -> None:
        """Wait until no method is at work."""
        while self._working:
            self._idle.clear()
            await self._idle.wait()

    def _step(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method, updated=())
        async def step(*arguments: Any, **keywords: Any) -> Any:
            self._bridge.check()
            self._visits[name] += 1
            key = f"method:{name}:{self._visits[name]}"
            self._working += 1
            token = scope.set(key)
            judged = False
            try:
                if key not in self._told:
                    self._told.add(key)
                    await self._home(self._run.step(name, key))
                result = await self._done(
                    key, name, functools.partial(method, *arguments, **keywords)
                )
                judged = name in self._judged
                return result
            finally:
                scope.reset(token)
                if not judged:
                    self.leave()

        return step

    async def _done(self, key: str, name: str, method: Callable[[], Any]) -> Any:
        """What the method returned: now, or when the run was gone through before."""
        result: list[Any] = []

        async def body() -> Any:
            return await self._body(key, name, method, result)

        made = self._calls.made
        if made is not None and key in made:
            kept = made[key]
        elif self._run.durable:
            kept = await self._once(key, body)
        else:
            with self._run.keyed(key):
                kept = await body()
        if made is not None and kept is not None:
            made[key] = kept
        if kept is None:
            return result[0]
        if kept.get("used"):
            self._calls.use(kept["used"])
        if not result:
            put(self._flow, kept["set"], kept["gone"])
        return unpack(kept["result"])

    async def _body(self, key: str, name: str, method: Callable[[], Any], result: list[Any]) -> Any:
        """Call the method; what is to be kept of it, or None if that cannot be kept and need not be."""
        before = self._fields(name)
        used: Counter[str] = Counter()
        with counting(used):
            if self._voice is None:
                result.append(await _called(method))
            else:
                with self._voice.speaking(key):
                    result.append(await _called(method))
        self._bridge.check()
        after = self._fields(name)
        packed = None
        try:
            packed = pack(result[0], strict=True)
        except PayloadError as error:
            self._refuse(f"what its method {name!r} returned", error)
        if before is None or after is None or packed is None:
            self._calls.use(used)
            return None
        return {"result": packed, "used": dict(used), **changes(before, after)}

    def _fields(self, name: str) -> dict[str, Any] | None:
        try:
            return fields_of(self._flow)
        except PayloadError as error:
            self._refuse(f"its state at the method {name!r}", error)
            return None

    def _refuse(self, what: str, error: PayloadError) -> None:
        refused = ConfigurationError(
            f"the run of the flow {type(self._flow).__name__} cannot be kept: {what} holds something that is not plain "
            f"data ({error}). Keep clients and connections outside of the state, as attributes of the flow, and return "
            "text, numbers, lists, dicts and pydantic models"
        )
        if self._run.durable:
            raise refused from error
        self.unkept = self.unkept or refused

    async def _once(self, key: str, body: Callable[[], Awaitable[Any]]) -> Any:
        """`Run.once` for a call that belongs on this loop; the agent's loop looks up and records."""
        here, home = asyncio.get_running_loop(), self._bridge.loop
        turn: asyncio.Future[asyncio.Future[Any]] = here.create_future()

        async def at_home() -> Any:
            result = home.create_future()
            with suppress(RuntimeError):  # this loop has closed: nobody waits
                here.call_soon_threadsafe(settle, turn, result)
            return await result

        recorded = asyncio.ensure_future(self._home(self._run.once(key, at_home)))
        await asyncio.wait({turn, recorded}, return_when=asyncio.FIRST_COMPLETED)
        if not turn.done():
            return await recorded
        result = turn.result()
        try:
            with self._run.keyed(key):
                kept = await body()
        except Exception as error:
            home.call_soon_threadsafe(fail, result, error)
            await asyncio.wait({recorded})
            recorded.exception()  # the same, and raised here as it came
            raise
        except BaseException:
            home.call_soon_threadsafe(result.cancel)
            raise
        home.call_soon_threadsafe(settle, result, kept)
        return await recorded

    async def _home(self, coroutine: Any) -> Any:
        return await asyncio.wrap_future(self._bridge.submit(coroutine))


async def _called(method: Callable[[], Any]) -> Any:
    """As CrewAI calls a method: a plain one in a thread."""
    if inspect.iscoroutinefunction(getattr(method, "func", method)):
        return await method()
    result = await asyncio.to_thread(contextvars.copy_context().run, method)
    return await result if inspect.isawaitable(result) else result
