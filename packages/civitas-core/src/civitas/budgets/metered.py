"""`MeteredModel`: the runtime's model as an agent has it, each call reserved before it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from civitas.budgets.spending import Spending

if TYPE_CHECKING:
    from civitas.models import ModelProvider, ModelResponse
    from civitas.tools import ToolProvider

__all__ = ["MeteredModel"]


class MeteredModel:
    """A provider whose calls count against the budgets of the message being handled.

    Args:
        model: Does the work; what it has beside `chat` can be reached as well.
        spending: What the message spends.
    """

    def __init__(self, model: ModelProvider, spending: Callable[[], Spending]) -> None:
        self._model = model
        self._spending = spending

    async def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Iterable[ToolProvider] | None = None,
    ) -> ModelResponse:
        """Let `model` answer a conversation; as `ModelProvider.chat`.

        Raises:
            BudgetExceeded: Less is left of a budget than the call may need; it was not made.
        """
        with await self._spending().reserve(model, messages, tells_cost=True) as reservation:
            response = await self._model.chat(model, messages, tools)
            # A provider may answer with an object of its own: what it lacks is not known.
            read, written = getattr(response, "tokens_in", 0), getattr(response, "tokens_out", 0)
            reservation.answered(read or 0, written or 0, getattr(response, "cost_usd", None))
            return response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __repr__(self) -> str:
        return f"<metered {self._model!r}>"
