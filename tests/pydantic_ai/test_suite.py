"""The adapter passes the suite of all adapters."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent, ModelMessage, ModelResponse, TextPart, Tool
from pydantic_ai.messages import ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from civitas.testing import AdapterSuite
from civitas.testing.adapter_model import SuiteModel
from civitas.testing.adapter_model import ToolCall as Called
from civitas_pydantic_ai import PydanticAIAgent, agent_tool
from tests.pydantic_ai.support import call, last_turn, texts_of


def played(model: SuiteModel, calls: int, before: str) -> FunctionModel:
    """A suite's model as one of Pydantic AI; calls of the tool `before` go before its last answer."""

    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        turn = await model.answer(texts_of(messages))
        done = sum(
            isinstance(part, ToolReturnPart) and part.tool_name == before
            for message in last_turn(messages)
            for part in message.parts
        )
        if isinstance(turn, Called):
            return ModelResponse(
                parts=[ToolCallPart(turn.name, turn.arguments, tool_call_id=turn.id)]
            )
        more = [call(before, f"call-{done}")] if done < calls - 1 else []
        return ModelResponse(parts=[TextPart(turn), *more])

    return FunctionModel(answer)


async def again() -> str:
    """Go on."""
    return "again"


async def approve() -> str:
    """Go on, when a human agrees."""
    return "approved"


class TestPydanticAI(AdapterSuite):
    tells_calls = True

    def subject(
        self, model: SuiteModel, *, calls: int = 1, approval: bool = False, tools: Any = ()
    ) -> Agent[Any, Any]:
        own = Tool(approve, requires_approval=True) if approval else Tool(again)
        llm = played(model, 2 if approval else calls, own.name)
        return Agent(llm, name="a", tools=[own, *tools])

    def payload(self, text: str) -> Any:
        return {"input": text}

    def text(self, payload: Any) -> str:
        return payload["output"]

    def tool(self, name: str) -> Tool[Any]:
        return agent_tool(name, description="Helps.")

    def agent(self, name: str, subject: Any, **keywords: Any) -> PydanticAIAgent:
        return PydanticAIAgent(name, agent=subject, **keywords)
