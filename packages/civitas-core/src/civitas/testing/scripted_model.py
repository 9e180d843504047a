"""`ScriptedModel`: a model that says what a test told it to say."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from civitas.models import ModelResponse

if TYPE_CHECKING:
    from civitas.tools import ToolProvider

__all__ = ["ModelCall", "ScriptedModel"]

Answer: TypeAlias = "str | ModelResponse | BaseException | Callable[[ModelCall], Any]"


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call that was made.

    Attributes:
        model: Name of the model.
        messages: The conversation, copied.
        tools: Names of the tools that were offered.
    """

    model: str
    messages: tuple[dict[str, Any], ...]
    tools: tuple[str, ...]


class ScriptedModel:
    """A `ModelProvider` that plays a list.

    Args:
        answers: What to answer, one call after another: a text, a `ModelResponse`, an exception to raise, or a function
            of the `ModelCall` that returns one of these.
        repeat: Begin again at the end of the list, instead of failing.

    Attributes:
        calls: The calls that were made, oldest first.
    """

    def __init__(self, answers: Iterable[Answer], *, repeat: bool = False) -> None:
        self.calls: list[ModelCall] = []
        self._script = list(answers)
        self._left = deque(self._script)
        self._repeat = repeat

    async def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Iterable[ToolProvider] | None = None,
    ) -> ModelResponse:
        """Give the next answer of the list.

        Raises:
            AssertionError: The list is at its end.
        """
        names = tuple(each.name for each in tools or ())
        call = ModelCall(model, tuple(dict(message) for message in messages), names)
        self.calls.append(call)
        if not self._left and self._repeat:
            self._left.extend(self._script)
        if not self._left:
            raise AssertionError(
                f"the script has {len(self._script)} answers and this is call {len(self.calls)}: {call}"
            )
        answer = self._left.popleft()
        if not isinstance(answer, BaseException) and callable(answer):
            answer = answer(call)
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, str):
            answer = ModelResponse(
                answer,
                tokens_in=sum(_words(message.get("content")) for message in messages),
                tokens_out=_words(answer),
            )
        if isinstance(answer, ModelResponse) and not answer.model:
            answer = replace(answer, model=model)
        response: ModelResponse = answer
        return response

    def __repr__(self) -> str:
        return f"<ScriptedModel {len(self._left)} of {len(self._script)} answers left>"


def _words(text: Any) -> int:
    return len(text.split()) if isinstance(text, str) else 0
