"""Civitas: your LangGraph graph, OpenAI agent or CrewAI crew stays up.

OTP-style processes and supervision trees on asyncio. The public names are here; errors are also in `civitas.errors`,
events in `civitas.events`, what plugin authors test with in `civitas.testing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from civitas.when_used import when_used

if TYPE_CHECKING:
    from civitas.errors import (
        AgentTerminated,
        AskCycle,
        AskTimeout,
        BudgetExceeded,
        CivitasError,
        ConfigurationError,
        DeliveryError,
        HandlerFailed,
        MailboxFull,
        NodeDown,
        NoProgress,
        NoReply,
        NotStored,
        PayloadError,
        PluginError,
        RunCancelled,
        RunChanged,
        RunConflict,
        StartFailed,
        StateConflict,
        StateStoreError,
        SupervisionError,
        SupervisorGaveUp,
        ToolFailed,
        TopologyError,
        UnknownAgent,
        UnknownDeadLetter,
        UnknownInterrupt,
        UnknownRun,
    )
    from civitas.events import Event
    from civitas.frameworks import wrap
    from civitas.message import Message
    from civitas.models import ModelProvider, ModelResponse
    from civitas.node.dead.info import DeadLetterInfo
    from civitas.node.glance import AgentNow, Handled, NodeNow, Overview
    from civitas.plugins import hookimpl
    from civitas.process import (
        AgentProcess,
        AmbiguousCall,
        Delivery,
        ErrorAction,
        Happened,
        RestartType,
        Status,
        Timer,
    )
    from civitas.runs import RunInfo, RunStatus
    from civitas.runtime import Runtime
    from civitas.state import InMemoryStateStore, NatsKVStateStore, SQLiteStateStore, StateStore
    from civitas.supervision import (
        BackoffPolicy,
        ConversationPool,
        DynamicSupervisor,
        RestartStrategy,
        Supervisor,
    )
    from civitas.tools import ToolProvider, ToolRegistry, tool

__all__ = [
    "AgentNow",
    "AgentProcess",
    "AgentTerminated",
    "AmbiguousCall",
    "AskCycle",
    "AskTimeout",
    "BackoffPolicy",
    "BudgetExceeded",
    "CivitasError",
    "ConfigurationError",
    "ConversationPool",
    "DeadLetterInfo",
    "Delivery",
    "DeliveryError",
    "DynamicSupervisor",
    "ErrorAction",
    "Event",
    "Handled",
    "HandlerFailed",
    "Happened",
    "InMemoryStateStore",
    "MailboxFull",
    "Message",
    "ModelProvider",
    "ModelResponse",
    "NatsKVStateStore",
    "NoProgress",
    "NoReply",
    "NodeDown",
    "NodeNow",
    "NotStored",
    "Overview",
    "PayloadError",
    "PluginError",
    "RestartStrategy",
    "RestartType",
    "RunCancelled",
    "RunChanged",
    "RunConflict",
    "RunInfo",
    "RunStatus",
    "Runtime",
    "SQLiteStateStore",
    "StartFailed",
    "StateConflict",
    "StateStore",
    "StateStoreError",
    "Status",
    "SupervisionError",
    "Supervisor",
    "SupervisorGaveUp",
    "Timer",
    "ToolFailed",
    "ToolProvider",
    "ToolRegistry",
    "TopologyError",
    "UnknownAgent",
    "UnknownDeadLetter",
    "UnknownInterrupt",
    "UnknownRun",
    "hookimpl",
    "tool",
    "wrap",
]

if not TYPE_CHECKING:  # otherwise type checkers would believe in any name
    __getattr__, __dir__ = when_used(
        __name__,
        {
            "civitas.errors": [
                "AgentTerminated",
                "AskCycle",
                "AskTimeout",
                "BudgetExceeded",
                "CivitasError",
                "ConfigurationError",
                "DeliveryError",
                "HandlerFailed",
                "MailboxFull",
                "NodeDown",
                "NoProgress",
                "NoReply",
                "NotStored",
                "PayloadError",
                "PluginError",
                "RunCancelled",
                "RunChanged",
                "RunConflict",
                "StartFailed",
                "StateConflict",
                "StateStoreError",
                "SupervisionError",
                "SupervisorGaveUp",
                "ToolFailed",
                "TopologyError",
                "UnknownAgent",
                "UnknownDeadLetter",
                "UnknownInterrupt",
                "UnknownRun",
            ],
            "civitas.events": ["Event"],
            "civitas.frameworks": ["wrap"],
            "civitas.message": ["Message"],
            "civitas.models": ["ModelProvider", "ModelResponse"],
            "civitas.node.dead.info": ["DeadLetterInfo"],
            "civitas.node.glance": ["AgentNow", "Handled", "NodeNow", "Overview"],
            "civitas.plugins": ["hookimpl"],
            "civitas.process": [
                "AgentProcess",
                "AmbiguousCall",
                "Delivery",
                "ErrorAction",
                "Happened",
                "RestartType",
                "Status",
                "Timer",
            ],
            "civitas.runs": ["RunInfo", "RunStatus"],
            "civitas.runtime": ["Runtime"],
            "civitas.state": [
                "InMemoryStateStore",
                "NatsKVStateStore",
                "SQLiteStateStore",
                "StateStore",
            ],
            "civitas.supervision": [
                "BackoffPolicy",
                "ConversationPool",
                "DynamicSupervisor",
                "RestartStrategy",
                "Supervisor",
            ],
            "civitas.tools": ["ToolProvider", "ToolRegistry", "tool"],
        },
    )
