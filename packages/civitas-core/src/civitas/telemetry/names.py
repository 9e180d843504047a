"""Every name that Civitas gives to a span, an attribute, a span event or a metric.

All in one file, as the GenAI conventions of OpenTelemetry still move.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "AGENT_NAME",
    "CONVERSATION",
    "CRASHES",
    "DEAD_LETTERS",
    "DEAD_LETTER_REASON",
    "DESTINATION",
    "ERROR_TYPE",
    "EVENT_CRASH",
    "EVENT_DEAD_LETTER",
    "EVENT_GAVE_UP",
    "EVENT_RESTART",
    "EXIT_REASON",
    "GAVE_UPS",
    "GEN_AI_OPERATION",
    "INPUT_TOKENS",
    "INTERRUPTED",
    "MESSAGE_ATTEMPT",
    "MESSAGE_ID",
    "MESSAGE_TYPE",
    "MESSAGING_SYSTEM",
    "OPERATION_NAME",
    "OPERATION_TYPE",
    "OUTPUT_TOKENS",
    "PROCESSED",
    "PROCESS_DURATION",
    "REQUEST_MODEL",
    "RESPONSE_MODEL",
    "RESTARTS",
    "SCOPE",
    "SYSTEM",
    "TOOL_NAME",
    "TOOL_TYPE",
    "USAGE_COST",
    "WORKFLOW_NAME",
    "chat",
    "execute_tool",
    "guardrail",
    "handoff",
    "invoke_agent",
    "invoke_workflow",
    "node",
    "process",
    "send",
    "task",
]

SCOPE: Final = "civitas"
"""Instrumentation scope of all spans and metrics of the core."""

SYSTEM: Final = "civitas"
"""Value of `MESSAGING_SYSTEM`."""


# Span names.


def send(recipient: str) -> str:
    """Producer span of one message."""
    return f"send {recipient}"


def process(agent: str) -> str:
    """Consumer span of one message, child of its `send`."""
    return f"process {agent}"


def chat(model: str) -> str:
    """One call of a model."""
    return f"chat {model}"


def execute_tool(tool: str) -> str:
    """One call of a tool."""
    return f"execute_tool {tool}"


def invoke_agent(agent: str) -> str:
    """One run of a framework's agent."""
    return f"invoke_agent {agent}"


def invoke_workflow(workflow: str) -> str:
    """One run of a graph or a crew."""
    return f"invoke_workflow {workflow}"


# Span names below an `invoke_...`: what a framework reports that the conventions have no name for.


def node(name: str) -> str:
    """One node of a graph."""
    return f"node {name}"


def task(name: str) -> str:
    """One task of a crew; without a name, just that."""
    return f"task {name}".rstrip()


def handoff(agent: str) -> str:
    """One agent hands the conversation to another; without a name while it is not known."""
    return f"handoff {agent}".rstrip()


def guardrail(name: str) -> str:
    """One check of what goes in or comes out."""
    return f"guardrail {name}"


# Attributes: messaging.

MESSAGING_SYSTEM: Final = "messaging.system"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
MESSAGE_ID: Final = "messaging.message.id"
MESSAGE_TYPE: Final = "civitas.message.type"
MESSAGE_ATTEMPT: Final = "civitas.message.attempt"

# Attributes: GenAI.

GEN_AI_OPERATION: Final = "gen_ai.operation.name"
AGENT_NAME: Final = "gen_ai.agent.name"
WORKFLOW_NAME: Final = "gen_ai.workflow.name"
CONVERSATION: Final = "gen_ai.conversation.id"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
USAGE_COST: Final = "civitas.usage.cost_usd"

# Attributes: what went wrong.

ERROR_TYPE: Final = "error.type"
EXIT_REASON: Final = "civitas.exit.reason"
DEAD_LETTER_REASON: Final = "civitas.dead_letter.reason"
INTERRUPTED: Final = "civitas.interrupted"

# Span events.

EVENT_CRASH: Final = "civitas.crash"
EVENT_RESTART: Final = "civitas.restart"
EVENT_GAVE_UP: Final = "civitas.gave_up"
EVENT_DEAD_LETTER: Final = "civitas.dead_letter"

# Metrics.

PROCESSED: Final = "messaging.client.consumed.messages"
PROCESS_DURATION: Final = "messaging.process.duration"
CRASHES: Final = "civitas.agent.crashes"
RESTARTS: Final = "civitas.agent.restarts"
GAVE_UPS: Final = "civitas.supervisor.give_ups"
DEAD_LETTERS: Final = "civitas.dead_letters"
