"""A sample Civitas plugin: an agent type that answers with a model and calls its tools."""

from civitas_assistant.agent import Assistant

__all__ = ["Assistant"]
