"""What authors of agents and plugins test with.

Nothing here needs pytest but the suites, which are loaded when first used and run under pytest-asyncio. The fixtures
`runtime` and `probe` are there without an import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from civitas.testing.clock import ManualClock
from civitas.testing.model import ModelCall, ScriptedModel
from civitas.testing.probe import Probe

if TYPE_CHECKING:
    from civitas.testing.state_store import StateStoreSuite
    from civitas.testing.transport import TransportSuite

__all__ = [
    "ManualClock",
    "ModelCall",
    "Probe",
    "ScriptedModel",
    "StateStoreSuite",
    "TransportSuite",
]


def __getattr__(name: str) -> Any:
    if name == "StateStoreSuite":
        from civitas.testing.state_store import StateStoreSuite

        return StateStoreSuite
    if name == "TransportSuite":
        from civitas.testing.transport import TransportSuite

        return TransportSuite
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
