"""Who serves a model, in the words of the GenAI conventions."""

from __future__ import annotations

import pytest

from civitas.telemetry.providers import (
    UNKNOWN,
    provider_at,
    provider_in,
    provider_named,
    provider_of,
)


@pytest.mark.promise(id="SEM-1701")
@pytest.mark.parametrize(
    ("word", "provider"),
    [
        ("openai", "openai"),
        ("azure", "azure.ai.openai"),
        ("Google-GenAI", "gcp.gemini"),
        ("amazon_bedrock", "aws.bedrock"),
        ("mistralai", "mistral_ai"),
        ("in-house", "in-house"),
        ("", None),
        (None, None),
    ],
)
def test_a_frameworks_word_becomes_that_of_the_conventions(
    word: object, provider: str | None
) -> None:
    assert provider_named(word) == provider


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://mine.openai.azure.com/openai", "azure.ai.openai"),
        ("https://bedrock-runtime.eu-west-1.amazonaws.com", "aws.bedrock"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "gcp.gemini"),
        ("http://127.0.0.1:4000/v1", None),
        ("https://notopenai.com", None),
        ("nonsense", None),
    ],
)
def test_an_address_tells_whose_it_is(url: str, provider: str | None) -> None:
    assert provider_at(url) == provider


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("mistral/mistral-large-3", "mistral_ai"),
        ("gemini/gemini-3-pro", "gcp.gemini"),
        ("ollama/llama4", "ollama"),
        ("meta-llama/Llama-4", None),  # who trained it
        ("gpt-4o", None),
        (None, None),
    ],
)
def test_a_prefix_of_a_models_name_tells_who_serves_it(model: object, provider: str | None) -> None:
    assert provider_in(model) == provider


def test_an_object_is_called_by_its_own_word_or_by_its_class() -> None:
    class OpenAIProvider:
        pass

    class HouseModel:
        provider_name = "Azure"

    class Model:
        pass

    assert provider_of(OpenAIProvider()) == "openai"
    assert provider_of(HouseModel()) == "azure.ai.openai"
    assert provider_of(Model()) == UNKNOWN
