"""Starting and watching OS processes, from both sides: the one that starts, and the one that is started."""

from civitas.launch.elsewhere import PidWatch, pid_space
from civitas.launch.lifeline import HangWatchdog, Lifeline, read_boot
from civitas.launch.output import QueuedStream, queued_output
from civitas.launch.process import Exit, OsProcess, ProcessOptions
from civitas.launch.shared_signals import SharedSignals

__all__ = [
    "Exit",
    "HangWatchdog",
    "Lifeline",
    "OsProcess",
    "PidWatch",
    "ProcessOptions",
    "QueuedStream",
    "SharedSignals",
    "pid_space",
    "queued_output",
    "read_boot",
]
