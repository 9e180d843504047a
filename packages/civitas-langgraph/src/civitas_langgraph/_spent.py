"""Reserves each call of a model that a graph's run makes, from LangChain's callbacks, and says what it used."""

from __future__ import annotations

import sys
from threading import get_ident
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.callbacks.manager import handle_event

from civitas_langgraph._tasks import name_of_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType
    from uuid import UUID

    from langchain_core.outputs import LLMResult

    from civitas.budgets import Reservation
    from civitas.frameworks import Run

__all__ = ["spent_by"]

_LONGEST = ("max_tokens", "max_completion_tokens", "max_output_tokens")


def spent_by(run: Run) -> list[BaseCallbackHandler]:
    """The callbacks of a run; none if nothing limits it, and nobody knows what models cost.

    There are two of them: LangChain goes by what an async one raises only where the model is awaited.
    """
    if not run.spending.matters:
        return []
    blocking = _Blocking(run)
    return [blocking, _Awaited(run, blocking)]


class _Blocking(BaseCallbackHandler):
    """Reserves the calls that code makes without awaiting them, and hears of the end of all.

    Args:
        run: The run.
    """

    run_inline = True
    raise_error = True

    def __init__(self, run: Run) -> None:
        self._run = run
        self._home = get_ident()
        self.made: dict[UUID, Reservation] = {}
        """The calls that go on."""

    def on_chat_model_start(
        self, serialized: Mapping[str, Any] | None, messages: Any, *, run_id: UUID, **kwargs: Any
    ) -> None:
        if _is_blocking(sys._getframe(1)):
            self._reserve(messages, run_id, kwargs)

    def on_llm_start(
        self, serialized: Mapping[str, Any] | None, prompts: Any, *, run_id: UUID, **kwargs: Any
    ) -> None:
        if _is_blocking(sys._getframe(1)):
            self._reserve(prompts, run_id, kwargs)

    def _reserve(self, messages: Any, run_id: UUID, told: Mapping[str, Any]) -> None:
        on_loop = get_ident() == self._home
        reserve = self._run.reserve_at_once if on_loop else self._run.reserve_in_thread
        self.made[run_id] = reserve(*_asked(messages, told))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        reservation = self.made.pop(run_id, None)
        if reservation is None:
            return
        read = written = 0
        for each in response.generations:
            message = getattr(each[0], "message", None) if each else None
            usage = getattr(message, "usage_metadata", None) or {}
            read += usage.get("input_tokens") or 0
            written += usage.get("output_tokens") or 0
        reservation.answered(read, written)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        reservation = self.made.pop(run_id, None)
        if reservation is not None and isinstance(error, Exception):
            reservation.failed()


class _Awaited(AsyncCallbackHandler):
    """Reserves the calls that are awaited.

    Args:
        run: The run.
        blocking: The callback for all others.
    """

    raise_error = True

    def __init__(self, run: Run, blocking: _Blocking) -> None:
        self._run = run
        self._made = blocking.made

    @property
    def ignore_chat_model(self) -> bool:
        """LangChain would run this one on an event loop in a thread, and go by nothing that it raises."""
        return _is_blocking(sys._getframe(1))

    ignore_llm = ignore_chat_model

    async def on_chat_model_start(
        self, serialized: Mapping[str, Any] | None, messages: Any, *, run_id: UUID, **kwargs: Any
    ) -> None:
        self._made[run_id] = await self._run.reserve(*_asked(messages, kwargs))

    async def on_llm_start(
        self, serialized: Mapping[str, Any] | None, prompts: Any, **kwargs: Any
    ) -> None:
        await self.on_chat_model_start(serialized, prompts, **kwargs)


def _is_blocking(caller: FrameType) -> bool:
    """Whether a model is called without being awaited: nothing else than what calls a callback tells that."""
    return caller.f_code is handle_event.__code__


def _asked(messages: Any, told: Mapping[str, Any]) -> tuple[str, Any, int | None]:
    """What of a call matters: the model, the prompt, and the most tokens that it may write."""
    parameters = told.get("invocation_params") or {}
    model = name_of_model(told.get("metadata"), parameters) or told.get("name") or ""
    longest = next((parameters[each] for each in _LONGEST if parameters.get(each)), None)
    return model, messages, longest if isinstance(longest, int) else None
