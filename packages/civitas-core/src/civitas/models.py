"""Models: the contract of a provider, and the spans around its calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from civitas.telemetry import Tracing
    from civitas.tools import ToolProvider

__all__ = ["ModelProvider", "ModelResponse", "ToolCall", "TracedModel"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that a scripted model asks for.

    Attributes:
        name: Name of the tool.
        arguments: What to call it with.
        id: The model's id of the call, where the script plays in the process; a server makes its own.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    id: str = "call-1"


@dataclass(frozen=True, slots=True)
class ModelResponse:
    """What a model answered.

    Attributes:
        content: The text; empty if the model only called tools.
        model: Name of the model that answered, which may be more exact than the one asked for.
        tokens_in: Tokens of the prompt; 0 if the provider does not say.
        tokens_out: Tokens of the answer; 0 if the provider does not say.
        cost_usd: What the call cost in US dollars; None if nobody knows.
        tool_calls: Tools the model wants called: ``{"id", "name", "arguments"}`` each, the arguments a dict.
    """

    content: str
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = None
    tool_calls: Sequence[Mapping[str, Any]] = ()


@runtime_checkable
class ModelProvider(Protocol):
    """Whatever can talk to a model; becomes `self.llm` of every agent."""

    async def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Iterable[ToolProvider] | None = None,
    ) -> ModelResponse:
        """Let `model` answer a conversation.

        Args:
            model: Name of the model, as the provider knows it.
            messages: ``{"role", "content"}`` each, oldest first.
            tools: What the model may call, such as ``self.tools.values()``. It is the caller who calls them.
        """


class TracedModel:
    """A provider with a span ``chat MODEL`` around each call: model and token counts, never a prompt.

    Args:
        provider: Does the work; what it has beside `chat` can be reached as well.
        tracing: Of the runtime.
    """

    def __init__(self, provider: ModelProvider, tracing: Tracing) -> None:
        self.provider = provider
        self._tracing = tracing

    async def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Iterable[ToolProvider] | None = None,
    ) -> ModelResponse:
        """Let `model` answer a conversation; as `ModelProvider.chat`."""
        if not self._tracing.active:
            return await self.provider.chat(model, messages, tools)
        with self._tracing.llm_span(model) as span:
            response = await self.provider.chat(model, messages, tools)
            _describe(span, response)
            return response

    def __getattr__(self, name: str) -> Any:
        return getattr(self.provider, name)

    def __repr__(self) -> str:
        return f"<traced {self.provider!r}>"


def _describe(span: Span, response: ModelResponse) -> None:
    from civitas.telemetry import names

    # A provider may answer with an object of its own: what it lacks is left out.
    for attribute, value in (
        (names.RESPONSE_MODEL, getattr(response, "model", None)),
        (names.INPUT_TOKENS, getattr(response, "tokens_in", None)),
        (names.OUTPUT_TOKENS, getattr(response, "tokens_out", None)),
        (names.USAGE_COST, getattr(response, "cost_usd", None)),
    ):
        if value:
            span.set_attribute(attribute, value)
