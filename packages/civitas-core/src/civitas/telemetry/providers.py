"""Who serves a model: the value of ``gen_ai.provider.name``, from whatever a framework tells."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

__all__ = ["UNKNOWN", "provider_at", "provider_in", "provider_named", "provider_of"]

UNKNOWN: Final = "_OTHER"
"""Where nobody says who it is."""

_NAMES = {
    "amazon": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "google_ai_studio": "gcp.gemini",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "ibm": "ibm.watsonx.ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""What frameworks call them, where the conventions have another name."""

_HOSTS = {
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "amazonaws.com": "aws.bedrock",
    "anthropic.com": "anthropic",
    "cohere.ai": "cohere",
    "cohere.com": "cohere",
    "deepseek.com": "deepseek",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "groq.com": "groq",
    "inference.ai.azure.com": "azure.ai.inference",
    "mistral.ai": "mistral_ai",
    "moonshot.ai": "moonshot_ai",
    "moonshot.cn": "moonshot_ai",
    "openai.azure.com": "azure.ai.openai",
    "openai.com": "openai",
    "perplexity.ai": "perplexity",
    "services.ai.azure.com": "azure.ai.inference",
    "x.ai": "x_ai",
}
"""By the ends of their names."""


_OTHERS = frozenset(
    {
        "cerebras",
        "databricks",
        "fireworks_ai",
        "huggingface",
        "nvidia_nim",
        "ollama",
        "openrouter",
        "replicate",
        "sambanova",
        "together_ai",
        "vllm",
    }
)
"""Those that the conventions have no name for."""

_KNOWN = frozenset(_NAMES.values()) | frozenset(_HOSTS.values()) | _OTHERS

_SUFFIX = re.compile(r"(chat)?_?(model)?_?(provider|client|llm)?$")


def provider_named(word: object) -> str | None:
    """The provider that a framework calls `word`; None if that says nothing."""
    if not isinstance(word, str) or not word.strip():
        return None
    name = word.strip().lower()
    return _NAMES.get(name.replace("-", "_"), name)


def provider_at(url: object) -> str | None:
    """The provider whose address that is; None if it is nobody's that is known."""
    host = urlsplit(str(url)).hostname or ""
    labels = host.split(".")
    ends = (".".join(labels[place:]) for place in range(len(labels)))
    return next((_HOSTS[each] for each in ends if each in _HOSTS), None)


def provider_in(model: object) -> str | None:
    """The provider in the name of a model, such as ``ollama/llama4``; None if there is none."""
    if not isinstance(model, str):
        return None
    word, slash, _ = model.partition("/")
    name = provider_named(word) if slash else None
    return name if name in _KNOWN else None  # it may as well be who trained it


def provider_of(object: Any) -> str:
    """The provider behind an object that talks to a model: its `provider_name`, or what its class is called."""
    named = provider_named(getattr(object, "provider_name", None))
    return named or provider_named(_SUFFIX.sub("", type(object).__name__.lower())) or UNKNOWN
