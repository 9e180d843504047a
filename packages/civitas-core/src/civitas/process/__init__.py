"""Processes: what a user subclasses, its mailbox, and the loop that runs it. Knows no transport and no supervisor."""

from civitas.process.agent import AgentProcess, current_agent
from civitas.process.ambiguous import AmbiguousCall, Happened
from civitas.process.cell import Cell
from civitas.process.child_kind import ChildKind
from civitas.process.context import Caller, Context, Runner
from civitas.process.current import current_message
from civitas.process.entry import Entry, Wake, soon
from civitas.process.error_action import ErrorAction
from civitas.process.exit_reason import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    ExitKind,
    ExitReason,
    PlainError,
    Unfinished,
)
from civitas.process.incarnation import Incarnation
from civitas.process.leftovers import forget_records, forget_records_of, forget_those_of_the_dead
from civitas.process.line import Line
from civitas.process.mailbox import Mailbox
from civitas.process.messenger import Messenger
from civitas.process.options import Delivery, OnAmbiguous, RestartType
from civitas.process.status import Status
from civitas.process.step_gate import StepGate
from civitas.process.timer import Timer
from civitas.process.turns import Turns

__all__ = [
    "KILLED",
    "NORMAL",
    "SHUTDOWN",
    "AgentProcess",
    "AmbiguousCall",
    "Caller",
    "Cell",
    "ChildKind",
    "Context",
    "Delivery",
    "Entry",
    "ErrorAction",
    "ExitKind",
    "ExitReason",
    "Happened",
    "Incarnation",
    "Line",
    "Mailbox",
    "Messenger",
    "OnAmbiguous",
    "PlainError",
    "RestartType",
    "Runner",
    "Status",
    "StepGate",
    "Timer",
    "Turns",
    "Unfinished",
    "Wake",
    "current_agent",
    "current_message",
    "forget_records",
    "forget_records_of",
    "forget_those_of_the_dead",
    "soon",
]
