"""Supervision after Erlang/OTP: what a user writes down, the decisions, and the one place with effects."""

from civitas.supervision.backoff import BackoffPolicy
from civitas.supervision.child import Child, Host, Parent
from civitas.supervision.clock import Clock, LoopClock
from civitas.supervision.dynamic import DynamicSupervisorProcess
from civitas.supervision.history import RestartHistory
from civitas.supervision.placed import Placed
from civitas.supervision.policy import RestartStrategy
from civitas.supervision.pool import ConversationPoolProcess
from civitas.supervision.spec import (
    ChildSpec,
    ConversationPool,
    DynamicSupervisor,
    Supervisor,
)
from civitas.supervision.supervisor import SupervisorProcess

__all__ = [
    "BackoffPolicy",
    "Child",
    "ChildSpec",
    "Clock",
    "ConversationPool",
    "ConversationPoolProcess",
    "DynamicSupervisor",
    "DynamicSupervisorProcess",
    "Host",
    "LoopClock",
    "Parent",
    "Placed",
    "RestartHistory",
    "RestartStrategy",
    "Supervisor",
    "SupervisorProcess",
]
