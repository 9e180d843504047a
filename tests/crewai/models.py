"""Models of CrewAI's that play a script in the process."""

from __future__ import annotations

import json
from typing import Any

from crewai import BaseLLM
from crewai.events.types.llm_events import LLMCallType
from crewai.llms.base_llm import llm_call_context
from pydantic import PrivateAttr

from civitas.testing import SuiteModel, ToolCall

__all__ = ["Played", "played"]


class Played(BaseLLM):
    """Plays a `SuiteModel`, whose turns may be lists of tool calls, too; where it is told to stream, in pieces."""

    _script: SuiteModel = PrivateAttr()

    def call(self, messages: Any, tools: Any = None, *args: Any, **keywords: Any) -> Any:
        with llm_call_context():
            said: Any = self._script.answer_blocking([_text(each) for each in messages])
            if not isinstance(said, str):
                return [_call(each) for each in ([said] if isinstance(said, ToolCall) else said)]
            if self.stream:
                for word in said.split(" "):
                    piece = word if said.startswith(word) else f" {word}"
                    self._emit_stream_chunk_event(piece, call_type=LLMCallType.LLM_CALL)
            return said

    def supports_function_calling(self) -> bool:
        return True


def played(model: SuiteModel) -> Played:
    """A model of CrewAI's that plays `model`."""
    made = Played(model="played")
    made._script = model
    return made


def _call(wanted: ToolCall) -> dict[str, Any]:
    function = {"name": wanted.name, "arguments": json.dumps(wanted.arguments)}
    return {"id": wanted.id, "type": "function", "function": function}


def _text(message: Any) -> str:
    return str(message.get("content") or "") if isinstance(message, dict) else str(message)
