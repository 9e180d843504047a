"""Models: the contract of a provider, and the spans around its calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from civitas.telemetry.providers import provider_in, provider_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from civitas.telemetry import Tracing
    from civitas.telemetry.content import Content
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
        finish_reason: Why it stopped, in the provider's word, such as ``stop``; empty if it does not say.
        tokens_cached: Those of `tokens_in` that the provider had in its cache.
        tokens_reasoning: Those of `tokens_out` that were written for reasoning.
    """

    content: str
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = None
    tool_calls: Sequence[Mapping[str, Any]] = ()
    finish_reason: str = ""
    tokens_cached: int = 0
    tokens_reasoning: int = 0


@runtime_checkable
class ModelProvider(Protocol):
    """Whatever can talk to a model; becomes `self.llm` of every agent.

    A `provider_name` that it has is the ``gen_ai.provider.name`` of its calls, such as ``anthropic``; otherwise it goes
    by the name of its class.
    """

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
    """A provider with a span ``chat MODEL`` around each call: model and token counts.

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
        tracing = self._tracing
        if not tracing.watched:
            return await self.provider.chat(model, messages, tools)
        from civitas.telemetry import names

        content = tracing.content
        attributes: dict[str, str | None] = {names.PROVIDER: self.provider_name(model)}
        if content is not None:
            attributes[names.INPUT_MESSAGES] = content.messages(names.INPUT_MESSAGES, messages)
        with tracing.llm_span(model, **attributes) as span:
            response = await self.provider.chat(model, messages, tools)
            _describe(span, response, content)
            return response

    def provider_name(self, model: str = "") -> str:
        """Who serves `model`, or whatever model."""
        return provider_in(model) or provider_of(getattr(self.provider, "built", self.provider))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.provider, name)

    def __repr__(self) -> str:
        return f"<traced {self.provider!r}>"


def _describe(span: Span, response: ModelResponse, content: Content | None) -> None:
    from civitas.telemetry import names

    # A provider may answer with an object of its own: what it lacks is left out.
    for attribute, value in (
        (names.RESPONSE_MODEL, getattr(response, "model", None)),
        (names.INPUT_TOKENS, getattr(response, "tokens_in", None)),
        (names.OUTPUT_TOKENS, getattr(response, "tokens_out", None)),
        (names.CACHE_READ_TOKENS, getattr(response, "tokens_cached", None)),
        (names.REASONING_TOKENS, getattr(response, "tokens_reasoning", None)),
        (names.USAGE_COST, getattr(response, "cost_usd", None)),
    ):
        if value:
            span.set_attribute(attribute, value)
    if reason := getattr(response, "finish_reason", None):
        span.set_attribute(names.FINISH_REASONS, [reason])
    if content is not None:
        text, calls = getattr(response, "content", None), getattr(response, "tool_calls", ())
        if (answer := content.answer(names.OUTPUT_MESSAGES, text, calls, reason)) is not None:
            span.set_attribute(names.OUTPUT_MESSAGES, answer)
