"""What a run of an agent relies on, by name: tools, toolsets, the output, and the words for the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic_ai.toolsets import FunctionToolset

from civitas.frameworks import Part, fingerprint, name_of

if TYPE_CHECKING:
    from pydantic_ai import AbstractToolset
    from pydantic_ai.agent import AbstractAgent

__all__ = ["shape_of"]


def shape_of(agent: AbstractAgent[Any, Any], model: Any) -> Iterator[Part]:
    """What a run of `agent` relies on.

    Args:
        agent: The agent.
        model: The option that takes the place of its model.
    """
    of = agent.name or ""
    yield Part("model", "", value=_model(agent.model if model is None else model), loose=True)
    yield Part("instructions", "", value=_words(agent), loose=True)
    yield Part("output", "", value=_output(agent), loose=True)
    for toolset in agent.toolsets:
        found: list[AbstractToolset[Any]] = []
        toolset.apply(found.append)
        for each in found:
            if isinstance(each, FunctionToolset):
                for tool in each.tools.values():
                    schema = fingerprint(tool.tool_def.parameters_json_schema)
                    yield Part("tool", tool.name, of, schema)
            else:
                # Which tools it has is known when it is asked, perhaps on another machine.
                yield Part("toolset", each.id or each.label, of)


def _output(agent: AbstractAgent[Any, Any]) -> str:
    try:
        return fingerprint(agent.output_json_schema())
    except Exception:  # what a function returns need not be anything that can be written down
        return ""


def _words(agent: AbstractAgent[Any, Any]) -> str:
    """What tells the words for the model from others; of functions that make them, their names."""
    # There is no public way to them.
    given = [
        *(getattr(each, "instruction", each) for each in getattr(agent, "_instructions", ())),
        *getattr(agent, "_system_prompts", ()),
        *(each.function for each in getattr(agent, "_system_prompt_functions", ())),
    ]
    return fingerprint([each if isinstance(each, str) else name_of(each) for each in given])


def _model(given: Any) -> str:
    if given is None or isinstance(given, str):
        return given or ""
    name = getattr(given, "model_name", None)
    return name if isinstance(name, str) else name_of(given)
