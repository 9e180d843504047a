"""Structured output of models behind LiteLLM, asked where the model itself is asked.

CrewAI asks for it by a client that has the model's name and nothing else of it, neither its address nor its key nor its
headers: so it goes wherever the environment says. In our runs it has them; outside them nothing changes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from itertools import count
from typing import Any

from crewai.llms.base_llm import BaseLLM
from crewai.utilities.internal_instructor import InternalInstructor

from civitas_crewai._models import in_call

__all__: list[str] = []

# What a request for structured output has for itself.
_OWN = ("model", "messages", "tools", "stream", "stop", "response_format")

_KEY = "Idempotency-Key"

_to_pydantic = InternalInstructor.to_pydantic


def _asked_there(instructor: Any) -> Any:
    llm = instructor.llm
    if in_call() and isinstance(llm, BaseLLM) and llm.is_litellm:
        from instructor import from_litellm

        instructor._client = from_litellm(_completion(llm))
    return _to_pydantic(instructor)


def _completion(llm: Any) -> Callable[..., Any]:
    completion = importlib.import_module(
        "litellm"
    ).completion  # a package that CrewAI need not have
    params = {
        key: value for key, value in llm._prepare_completion_params([]).items() if key not in _OWN
    }
    headers = params.pop("extra_headers", {})
    tries = count()

    def asked(*args: Any, **keywords: Any) -> Any:
        # A second try says what was wrong with the first, and so is another request.
        number = next(tries)
        again = {_KEY: f"{headers[_KEY]}:{number}"} if number and _KEY in headers else {}
        return completion(*args, **{**params, "extra_headers": {**headers, **again}, **keywords})

    return asked


InternalInstructor.to_pydantic = _asked_there  # type: ignore[assignment,method-assign]
