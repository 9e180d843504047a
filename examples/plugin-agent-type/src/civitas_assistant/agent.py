"""An agent that answers with the model of the runtime."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from civitas import AgentProcess, ConfigurationError, Message
from civitas.tools import UnknownTool

__all__ = ["Assistant"]


class Assistant(AgentProcess):
    """Answers ``{"input": text}`` with ``{"output": text}``, and calls the tools of the runtime on the way.

    What belongs to a conversation is kept as state: it outlives a crash, and the process where the store does.

    Args:
        name: Name of the agent.
        model: Name of the model, as the runtime's model provider knows it.
        instructions: What the model is told before anything else.
        max_turns: How often the model is asked for one answer; more is an error.
        options: As for every agent.
    """

    def __init__(
        self, name: str, *, model: str, instructions: str = "", max_turns: int = 10, **options: Any
    ) -> None:
        super().__init__(name, **options)
        self.model = model
        self.instructions = instructions
        self.max_turns = max_turns

    async def on_start(self) -> None:
        """Refuse to start without a model: better now than at the first question."""
        if self.llm is None:
            raise ConfigurationError(
                f"assistant {self.name!r} has no model; "
                "add `model: {type: ...}` to the topology, or give the runtime a model_provider="
            )

    async def handle(self, message: Message) -> Message:
        """Answer, and remember it."""
        known = self.state.get(message.conversation, []) if message.conversation else []
        messages = [*known, {"role": "user", "content": message.payload["input"]}]
        output = await self._answer(messages)
        if message.conversation:
            self.state[message.conversation] = messages
            await self.checkpoint()
        return self.reply({"output": output})

    async def _answer(self, messages: list[dict[str, Any]]) -> str:
        """Ask the model until it wants no more tools; adds what was said to `messages`."""
        assert self.llm is not None
        told = [{"role": "system", "content": self.instructions}] if self.instructions else []
        tools = list(self.tools.values()) if self.tools else None
        for _ in range(self.max_turns):
            said = await self.llm.chat(self.model, [*told, *messages], tools)
            calls = [dict(call) for call in said.tool_calls]
            messages.append({"role": "assistant", "content": said.content})
            if not calls:
                return said.content
            messages[-1]["tool_calls"] = calls
            messages += [
                {"role": "tool", "tool_call_id": call["id"], "content": await self._use_tool(call)}
                for call in calls
            ]
        raise RuntimeError(
            f"assistant {self.name!r}: no answer within {self.max_turns} turns; give it a larger max_turns"
        )

    async def _use_tool(self, call: Mapping[str, Any]) -> str:
        try:
            if self.tools is None:
                raise UnknownTool(call["name"], ())
            result = await self.tools.call(call["name"], **call["arguments"])
        except (ValueError, UnknownTool) as error:
            return f"error: {error}"  # the model can do better; any other error is a crash
        return result if isinstance(result, str) else json.dumps(result, default=str)
