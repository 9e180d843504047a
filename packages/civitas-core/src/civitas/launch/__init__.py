"""Starting and watching OS processes, from both sides: the one that starts, and the one that is started."""

from civitas.launch.adopted import PidWatch, pid_space
from civitas.launch.descriptors import keep_from_children, let_go
from civitas.launch.ending import end_soon
from civitas.launch.fence import Fence, FencedLoop, fence_of, start_over
from civitas.launch.folder import RunFolder
from civitas.launch.hold import Hold, holder_of, inherit
from civitas.launch.in_use import InUse
from civitas.launch.lifeline import (
    HangWatchdog,
    Lifeline,
    ends_with_starter,
    go_on_when_told,
    read_boot,
)
from civitas.launch.output import QueuedStream, queued_output
from civitas.launch.pauses import ShortPauses, short_pauses
from civitas.launch.process import Exit, OsProcess, ProcessOptions
from civitas.launch.shared_signals import SharedSignals
from civitas.launch.vitals import Vitals

__all__ = [
    "Exit",
    "Fence",
    "FencedLoop",
    "HangWatchdog",
    "Hold",
    "InUse",
    "Lifeline",
    "OsProcess",
    "PidWatch",
    "ProcessOptions",
    "QueuedStream",
    "RunFolder",
    "SharedSignals",
    "ShortPauses",
    "Vitals",
    "end_soon",
    "ends_with_starter",
    "fence_of",
    "go_on_when_told",
    "holder_of",
    "inherit",
    "keep_from_children",
    "let_go",
    "pid_space",
    "queued_output",
    "read_boot",
    "short_pauses",
    "start_over",
]
