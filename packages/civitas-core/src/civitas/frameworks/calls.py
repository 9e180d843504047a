"""`AgentCall`: an agent of the system as a tool for a model, whatever the framework."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from civitas.errors import ConfigurationError, DeliveryError, PayloadError
from civitas.frameworks.conversations import WHOLE_HISTORY
from civitas.frameworks.run import current_run
from civitas.message import Message
from civitas.process import AgentProcess, current_agent
from civitas.process.options import check_name, check_timeout
from civitas.telemetry import names

__all__ = ["AgentCall"]


class AgentCall:
    """What the `agent_tool` of every adapter rests on: asks an agent, and has a text for the model whatever happens.

    Made in module code; the system is found when it is called, in worker threads too.

    Args:
        name: Name of the agent; the tool is called that too.
        description: What it is for, for the model.
        parameters: What the model must give, a pydantic model's class or a JSON Schema; it becomes the payload. One
            text `input` by default.
        timeout: Seconds to wait for the answer; None: as long as the run that calls it may take.

    Raises:
        ConfigurationError: An argument does not fit.
    """

    def __init__(
        self,
        name: str,
        *,
        description: str,
        parameters: type[Any] | Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> None:
        who = f"agent_tool({name!r})"
        self.name = check_name(name)
        given: object = description
        if not isinstance(given, str) or not given.strip():
            raise ConfigurationError(
                f"{who}: description must say for the model what the agent does; got {description!r}"
            )
        check_timeout(timeout, f"{who}: timeout")
        self.description = description
        self.timeout = timeout
        self.model: type[Any] | None = None
        """The pydantic model's class, where `parameters` is one."""
        self.schema: dict[str, Any]
        """The JSON Schema of the arguments."""
        if parameters is None:
            self.schema = {
                "type": "object",
                "properties": {"input": {"type": "string"}},
                "required": ["input"],
                "additionalProperties": False,
            }
        elif isinstance(parameters, type) and hasattr(parameters, "model_json_schema"):
            self.model = parameters
            self.schema = parameters.model_json_schema()
        elif isinstance(parameters, Mapping) and parameters.get("type") == "object":
            self.schema = dict(parameters)
        else:
            raise ConfigurationError(
                f"{who}: parameters must be a pydantic model's class, or a JSON Schema with type 'object'; "
                f"got {parameters!r}"
            )

    async def ask(
        self,
        payload: Any,
        message_type: str = "message",
        *,
        conversation: str | None = None,
        whole_history: bool = False,
    ) -> Message:
        """Ask the agent, on behalf of the agent whose code runs.

        Args:
            payload: What to ask.
            message_type: The type of the message.
            conversation: The conversation that it belongs to; None for none.
            whole_history: It holds all of the conversation, so that what the agent remembers of that would be twice.

        Raises:
            ConfigurationError: No agent's code runs here.
            DeliveryError: As for `AgentProcess.ask`.
        """
        headers = _headers(whole_history)
        run = current_run.get()
        if run is not None and run.spans is not None:
            run.spans.describe(
                {
                    names.TRANSFER_MODE: names.RETURN_TO_CALLER,
                    names.TRANSFER_TARGET: self.name,
                }
            )
        return await self._caller().ask(
            self.name,
            payload,
            message_type,
            timeout=self.timeout,
            conversation=conversation,
            headers=headers,
            run=self._run_name(payload),
        )

    def stream(self, payload: Any, *, whole_history: bool = False) -> AsyncGenerator[Message, None]:
        """As `ask`, and iterate over what the agent tells meanwhile; its answer comes last."""
        headers = _headers(whole_history)
        return self._caller().stream(
            self.name, payload, timeout=self.timeout, headers=headers, run=self._run_name(payload)
        )

    async def call(self, arguments: Any) -> str:
        """The agent's answer to `arguments` as JSON text; where it fails, a text that tells the model so."""
        try:
            answer = (await self.ask(arguments)).payload
        except (DeliveryError, PayloadError) as error:
            return f"Error: {error}"
        return json.dumps(answer, ensure_ascii=False, default=str)

    def call_from_thread(self, arguments: Any) -> str:
        """As `call`, for blocking code in a thread."""
        caller = self._caller()
        return caller.run(self.call(arguments))

    def _run_name(self, payload: Any) -> str | None:
        """Made again after a kill, a call finds the run that it began: the agent does nothing twice for it."""
        run = current_run.get()
        return run.call_name(self.name, payload) if run is not None else None

    def _caller(self) -> AgentProcess:
        agent = current_agent.get(None)
        if agent is None:
            raise ConfigurationError(
                f"the tool or node {self.name!r} asks an agent of a running system, and was called outside one; "
                "wrap the graph, agent or crew that has it, and send to that"
            )
        return agent


def _headers(whole_history: bool) -> dict[str, str] | None:
    return {WHOLE_HISTORY: "1"} if whole_history else None
