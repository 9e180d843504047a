"""A crew's own callbacks, before and after its kickoff: what they return, and what they need not return."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from civitas.errors import ConfigurationError
from civitas_crewai._payload import as_inputs, check_inputs

if TYPE_CHECKING:
    from crewai import Crew

    from civitas_crewai._watched import WatchedCrew

__all__ = ["with_callbacks"]

Callback = Callable[[Any], Any]


def with_callbacks(taps: WatchedCrew, crew: Crew, done: list[Any]) -> None:
    """Have a crew's callbacks return nothing if they have nothing to say, as many do; and check what they say.

    Of those before the kickoff, nothing leaves the inputs as they are, perhaps changed in place; of those after it,
    the output.

    Args:
        taps: Ends it with the run.
        crew: Of this run alone.
        done: Is given the crew's output, before the callbacks after it.
    """

    def ready(inputs: dict[str, Any]) -> dict[str, Any]:
        check_inputs(crew, inputs, complete=True)
        return as_inputs(inputs)

    def finished(output: Any) -> Any:
        done.append(output)
        return output

    first = [_keeping(each, inputs=True) for each in crew.before_kickoff_callbacks]
    last = [_keeping(each) for each in crew.after_kickoff_callbacks]
    taps.swap(crew.__dict__, "before_kickoff_callbacks", [*first, ready])
    taps.swap(crew.__dict__, "after_kickoff_callbacks", [finished, *last])


def _keeping(callback: Callback, *, inputs: bool = False) -> Callback:
    """`callback`, which keeps what it is given if it returns nothing; `inputs`: it must return some."""

    def call(given: Any) -> Any:
        returned = callback(given)
        if inspect.isawaitable(returned):
            returned = _awaited(returned)
        if returned is None:
            return given
        if inputs and not isinstance(returned, Mapping):
            name = getattr(callback, "__qualname__", None) or repr(callback)
            raise ConfigurationError(
                f"the before_kickoff callback {name} returned {type(returned).__name__}; "
                "return the inputs as a dict, or None to leave them as they are"
            )
        return dict(returned) if inputs else returned

    return call


def _awaited(returned: Any) -> Any:
    """CrewAI calls these callbacks in a loop that it blocks meanwhile; so an async one gets a loop of its own."""

    async def main() -> Any:
        return await returned

    with ThreadPoolExecutor(1, "civitas-crew-callback") as pool:
        return pool.submit(contextvars.copy_context().run, asyncio.run, main()).result()
