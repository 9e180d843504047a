"""Every name that Civitas gives to a span, an attribute, a span event or a metric.

All in one file, as the GenAI conventions of OpenTelemetry still move; `CONVENTIONS` says which ones these are.
"""

# ruff: noqa: S105 - tokens of models are not passwords

from __future__ import annotations

from typing import Final

__all__ = [
    "AGENT_DURATION",
    "AGENT_NAME",
    "ASKS_IN_FLIGHT",
    "CACHE_READ_TOKENS",
    "CACHE_READ_TOKENS_USED",
    "CACHE_WRITE_TOKENS",
    "CACHE_WRITE_TOKENS_USED",
    "CONVENTIONS",
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
    "FINISH_REASONS",
    "GAVE_UPS",
    "GEN_AI_OPERATION",
    "INFERENCE_DURATION",
    "INPUT_MESSAGES",
    "INPUT_TOKENS",
    "INPUT_TOKENS_USED",
    "INTERRUPTED",
    "LOOP_BLOCKED",
    "LOOP_LAG",
    "MAILBOX_DEPTH",
    "MAILBOX_WAIT",
    "MESSAGE_ATTEMPT",
    "MESSAGE_ID",
    "MESSAGE_TYPE",
    "MESSAGING_SYSTEM",
    "NODE_NAME",
    "NODE_STATE",
    "NODE_STATE_NAME",
    "OPERATION_DURATION",
    "OPERATION_NAME",
    "OPERATION_TYPE",
    "OUTPUT_MESSAGES",
    "OUTPUT_TOKENS",
    "OUTPUT_TOKENS_USED",
    "PASS_CONTROL",
    "POOL",
    "PROCESSED",
    "PROCESS_DURATION",
    "PROVIDER",
    "REASONING_TOKENS",
    "REASONING_TOKENS_USED",
    "REDELIVERIES",
    "REQUEST_MODEL",
    "REQUEST_STREAM",
    "RESPONSE_ID",
    "RESPONSE_MODEL",
    "RESTARTS",
    "RETURN_TO_CALLER",
    "RUNS",
    "RUNS_KEPT",
    "RUN_STATUS",
    "SCOPE",
    "SYSTEM",
    "SYSTEM_INSTRUCTIONS",
    "TOKEN_MODALITY",
    "TOKEN_TYPE",
    "TOKEN_USAGE",
    "TOOL_ARGUMENTS",
    "TOOL_CALL_ID",
    "TOOL_DURATION",
    "TOOL_NAME",
    "TOOL_RESULT",
    "TOOL_TYPE",
    "TRANSFER_MODE",
    "TRANSFER_TARGET",
    "USAGE_COST",
    "WORKFLOW_DURATION",
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

CONVENTIONS: Final = "open-telemetry/semantic-conventions-genai 0.1.0"
"""Which conventions the names that begin with ``gen_ai`` are from.

It is their first release. ``gen_ai.transfer`` is a proposal there that the maintainers have taken up. Four names are of
the time before the release, and are there beside the new ones as long as dashboards and OpenTelemetry's own
instrumentations (`opentelemetry-util-genai` 1.3b0) have them: `WORKFLOW_NAME`, `WORKFLOW_DURATION`,
`OPERATION_DURATION` and `TOKEN_USAGE`. The other names are those of the semantic conventions 1.44.0; what begins with
``civitas`` is our own.
"""

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
PROVIDER: Final = "gen_ai.provider.name"
AGENT_NAME: Final = "gen_ai.agent.name"
WORKFLOW_NAME: Final = "gen_ai.workflow.name"
CONVERSATION: Final = "gen_ai.conversation.id"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"
TOKEN_MODALITY: Final = "gen_ai.token.modality"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TRANSFER_MODE: Final = "gen_ai.transfer.mode"
TRANSFER_TARGET: Final = "gen_ai.transfer.target.name"
USAGE_COST: Final = "civitas.usage.cost_usd"

RETURN_TO_CALLER: Final = "return_to_caller"
"""Value of `TRANSFER_MODE`: the agent that called goes on with what the other one answers."""
PASS_CONTROL: Final = "pass_control"
"""Value of `TRANSFER_MODE`: the other agent goes on in its place."""

# Attributes: what was said, recorded only if the environment asks for it.

SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"

# Attributes: where.

POOL: Final = "civitas.pool.name"
NODE_NAME: Final = "civitas.node.name"
NODE_STATE_NAME: Final = "civitas.node.state"
RUN_STATUS: Final = "civitas.run.status"

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

# Metrics: GenAI.

INFERENCE_DURATION: Final = "gen_ai.client.inference.duration"
OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
TOKEN_USAGE: Final = "gen_ai.client.token.usage"
INPUT_TOKENS_USED: Final = "gen_ai.client.inference.usage.input_tokens"
OUTPUT_TOKENS_USED: Final = "gen_ai.client.inference.usage.output_tokens"
CACHE_READ_TOKENS_USED: Final = "gen_ai.client.inference.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS_USED: Final = "gen_ai.client.inference.usage.cache_write.input_tokens"
REASONING_TOKENS_USED: Final = "gen_ai.client.inference.usage.reasoning.output_tokens"
TOOL_DURATION: Final = "gen_ai.execute_tool.duration"
AGENT_DURATION: Final = "gen_ai.invoke_agent.duration"
WORKFLOW_DURATION: Final = "gen_ai.invoke_workflow.duration"

# Metrics: ours.

PROCESSED: Final = "messaging.client.consumed.messages"
PROCESS_DURATION: Final = "messaging.process.duration"
MAILBOX_WAIT: Final = "civitas.mailbox.wait"
MAILBOX_DEPTH: Final = "civitas.mailbox.depth"
ASKS_IN_FLIGHT: Final = "civitas.asks.in_flight"
REDELIVERIES: Final = "civitas.redeliveries"
RUNS: Final = "civitas.runs"
RUNS_KEPT: Final = "civitas.runs.kept"
CRASHES: Final = "civitas.agent.crashes"
RESTARTS: Final = "civitas.agent.restarts"
GAVE_UPS: Final = "civitas.supervisor.give_ups"
DEAD_LETTERS: Final = "civitas.dead_letters"
NODE_STATE: Final = "civitas.node.state"
LOOP_BLOCKED: Final = "civitas.loop.blocked"
LOOP_LAG: Final = "civitas.loop.lag"
