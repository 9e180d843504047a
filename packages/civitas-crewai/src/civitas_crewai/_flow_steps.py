"""The methods of a flow as steps of a run: each is done once, and told when it begins."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from civitas.errors import ConfigurationError, PayloadError
from civitas_crewai._exact import pack_exact, unpack_exact
from civitas_crewai._flow_state import changes, fields_of, put
from civitas_crewai._humans import Asked
from civitas_crewai._once import counting, fail, scope, settle

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
        self._questions: dict[str, dict[str, Any]] = {}
        self._asked = False
        self.left: dict[str, str] = {}
        """The fields of the state that cannot be kept, each with the method that left it there; "" if none did."""
        self._unkept: ConfigurationError | None = None

    def watch(self) -> None:
        """Put the steps in the place of the flow's methods."""
        self.left = dict.fromkeys(fields_of(self._flow)[1], "")
        methods: dict[Any, Any] = self._flow._methods
        for name, method in methods.items():
            methods[name] = self._step(str(name), method)

    def leave(self) -> None:
        """A method is done, and a human has judged what it returned or is about to be asked, if its flow says so."""
        self._working -= 1
        self._idle.set()

    async def ask(self, *questions: dict[str, Any]) -> NoReturn:
        """End the run with these questions and all others that are open, once no method is at work.

        Whoever asks has called `leave`.
        """
        self._questions.update({each["id"]: each for each in questions})
        while self._working:
            self._idle.clear()
            await self._idle.wait()
        self._asked = True  # what would begin now would be cut off
        if self._unkept is not None:
            raise self._unkept
        raise Asked(*self._questions.values())

    def _step(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method, updated=())
        async def step(*arguments: Any, **keywords: Any) -> Any:
            self._bridge.check()
            if self._asked:
                raise Asked(*self._questions.values())
            self._visits[name] += 1
            key = f"method:{name}:{self._visits[name]}"
            self._working += 1
            token = scope.set(key)
            judged, asked = False, None
            try:
                if key not in self._told:
                    self._told.add(key)
                    await self._home(self._run.step(name, key))
                result = await self._done(
                    key, name, functools.partial(method, *arguments, **keywords)
                )
                judged = name in self._judged
                return result
            except Asked as error:
                asked = error
            finally:
                scope.reset(token)
                if not judged:
                    self.leave()
            # What runs beside it is finished first; it may ask, too.
            return await self.ask(*asked.questions)

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
        if result:  # what came of it just now, and not a copy
            return result[0]
        put(self._flow, kept["set"], kept["gone"])
        try:
            return unpack_exact(kept["result"])
        except PayloadError as error:
            raise ConfigurationError(
                f"what the method {name!r} of the flow {type(self._flow).__name__} returned cannot be read back: "
                f"{error}"
            ) from error

    async def _body(self, key: str, name: str, method: Callable[[], Any], result: list[Any]) -> Any:
        """Call the method; what is to be kept of it, or None if that cannot be kept and need not be."""
        before = self._fields(name, ended=False)
        used: Counter[str] = Counter()
        with counting(used):
            if self._voice is None:
                result.append(await _called(method))
            else:
                with self._voice.speaking(key):
                    result.append(await _called(method))
        self._bridge.check()
        after = self._fields(name, ended=True)
        packed = None
        try:
            packed = pack_exact(result[0], "result")
        except PayloadError as error:
            self._refuse(f"what its method {name!r} returned", error)
        if before is None or after is None or packed is None:
            self._calls.use(used)
            return None
        return {"result": packed, "used": dict(used), **changes(before, after)}

    def _fields(self, name: str, *, ended: bool) -> dict[str, Any] | None:
        fields, unkept = fields_of(self._flow)
        if ended:
            self.left = {each: self.left.get(each, name) for each in unkept}
        if not unkept:
            return fields
        self._refuse(f"its state at the method {name!r}", next(iter(unkept.values())))
        return None

    def _refuse(self, what: str, error: PayloadError) -> None:
        refused = ConfigurationError(
            f"the run of the flow {type(self._flow).__name__} cannot be kept: {what} holds something that cannot be "
            f"recorded ({error}). Keep clients, connections and secrets in attributes that the flow's __init__ sets, "
            "or the function that builds it; what a method sets is not there when the run goes on. Return text, "
            "numbers, lists, dicts and pydantic models, and have only these in the state"
        )
        if self._run.durable:
            raise refused from error
        self._unkept = self._unkept or refused

    async def _once(self, key: str, body: Callable[[], Awaitable[Any]]) -> Any:
        """`Run.once` for a call that belongs on this loop; the agent's loop looks up and records."""
        here, home = asyncio.get_running_loop(), self._bridge.loop
        turn: asyncio.Future[asyncio.Future[Any]] = here.create_future()

        async def at_home() -> Any:
            result = home.create_future()
            with suppress(RuntimeError):  # this loop has closed: nobody waits
                here.call_soon_threadsafe(settle, turn, result)
            return await result

        recorded = self._home(self._run.once(key, at_home))
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

    def _home(self, coroutine: Any) -> asyncio.Future[Any]:
        return asyncio.wrap_future(self._bridge.submit(coroutine))


async def _called(method: Callable[[], Any]) -> Any:
    """As CrewAI calls a method: a plain one in a thread."""
    if inspect.iscoroutinefunction(getattr(method, "func", method)):
        return await method()
    result = await asyncio.to_thread(contextvars.copy_context().run, method)
    return await result if inspect.isawaitable(result) else result
