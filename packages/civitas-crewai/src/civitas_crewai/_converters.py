"""How the text of a model becomes structured output: asked of that model, not of a client that CrewAI makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from civitas_crewai._models import Models

__all__ = ["converting"]


def converting(make: Callable[..., Any], models: Models) -> Callable[..., Any]:
    """`make`, whose converters ask the models of this run, silently.

    Left alone, those for JSON ask a client of their own, with a model's name and key but otherwise not as the
    model would: perhaps at another address, and nobody knows about the call.

    Args:
        make: Makes a converter: a method of an agent, or a class.
        models: Of the run.
    """

    def converter(*args: Any, **keywords: Any) -> Any:
        made = make(*args, **keywords)
        made.__dict__["llm"] = models.tap(made.llm, tells=False)
        made.__dict__["_create_instructor"] = lambda: _Instructor(made)
        return made

    return converter


class _Instructor:
    """In place of CrewAI's `InternalInstructor`."""

    def __init__(self, converter: Any) -> None:
        self._converter = converter

    def to_json(self) -> str:
        converter = self._converter
        said = converter.llm.call(converter._build_messages(), response_model=converter.model)
        text: str = converter._coerce_response_to_pydantic(said).model_dump_json(indent=2)
        return text
