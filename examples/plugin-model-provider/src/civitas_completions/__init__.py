"""A sample Civitas plugin: a model provider for every server of the chat completions API."""

from civitas_completions.provider import ChatCompletions, ModelError

__all__ = ["ChatCompletions", "ModelError"]
