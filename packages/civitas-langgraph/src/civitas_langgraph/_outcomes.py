"""What LangGraph's own exceptions mean, and those of LangChain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from civitas.frameworks import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OUTCOMES"]

OUTCOMES: Mapping[str, Outcome] = {
    "langgraph.errors.EmptyInputError": Outcome.ANSWER,
    "langgraph.errors.GraphBubbleUp": Outcome.ANSWER,
    "langgraph.errors.GraphRecursionError": Outcome.ANSWER,
    "langgraph.errors.InvalidUpdateError": Outcome.ANSWER,
    "langgraph.errors.NodeCancelledError": Outcome.UNKNOWN,
    "langgraph.errors.NodeTimeoutError": Outcome.TRANSIENT,
    "langgraph.errors.TaskNotFound": Outcome.ANSWER,
    "langgraph.errors.UnknownInterruptError": Outcome.ANSWER,
    "langgraph.checkpoint.base.EmptyChannelError": Outcome.ANSWER,
    "langgraph.checkpoint.serde.jsonplus.InvalidModuleError": Outcome.ANSWER,
    "langgraph.prebuilt.tool_node.ToolInvocationError": Outcome.ANSWER,
    "langgraph.pregel.remote.RemoteException": Outcome.UNKNOWN,
    "langchain_core.exceptions.LangChainException": Outcome.UNKNOWN,
    "langchain_core.exceptions.ModelError": Outcome.ANSWER,
    "langchain_core.exceptions.ModelAPIError": Outcome.TRANSIENT,
    "langchain_core.exceptions.ModelConnectionError": Outcome.TRANSIENT,
    "langchain_core.exceptions.ModelRateLimitError": Outcome.TRANSIENT,
    "langchain_core.exceptions.ModelTimeoutError": Outcome.TRANSIENT,
    "langchain_core.exceptions.OutputParserException": Outcome.ANSWER,
    "langchain_core.exceptions.TracerException": Outcome.UNKNOWN,
    "langchain_core._security._exceptions.SSRFBlockedError": Outcome.ANSWER,
    "langchain_core.indexing.api.IndexingException": Outcome.UNKNOWN,
    "langchain_core.language_models.fake.*": Outcome.UNKNOWN,
    "langchain_core.language_models.fake_chat_models.*": Outcome.UNKNOWN,
    "langchain_core.stores.InvalidKeyException": Outcome.ANSWER,
    "langchain_core.tools.base.ToolException": Outcome.UNKNOWN,
    "langchain_openai.chatgpt_oauth.*": Outcome.UNKNOWN,
    "langchain_openai.middleware.openai_moderation.OpenAIModerationError": Outcome.ANSWER,
    "langchain.agents.middleware._redaction.PIIDetectionError": Outcome.ANSWER,
    "langchain.agents.middleware.model_call_limit.ModelCallLimitExceededError": Outcome.ANSWER,
    "langchain.agents.middleware.tool_call_limit.ToolCallLimitExceededError": Outcome.ANSWER,
    "langchain.agents.structured_output.StructuredOutputError": Outcome.ANSWER,
    "langchain.mcp.tools._MCPToolExecutionError": Outcome.UNKNOWN,
    "deepagents.middleware._video.VideoExtractionError": Outcome.UNKNOWN,
}
"""By the full name of the class, so that what is not installed is not needed."""
