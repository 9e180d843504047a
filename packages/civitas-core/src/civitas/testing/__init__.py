"""What authors of agents and plugins test with.

Nothing here needs pytest but the suites, which are loaded when first used and run under pytest-asyncio. The fixtures
`runtime` and `probe` are there without an import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from civitas.testing.clock import ManualClock
from civitas.testing.probe import Probe
from civitas.testing.scripted_model import ModelCall, ScriptedModel

if TYPE_CHECKING:
    from civitas.demo.model_server import ModelServer
    from civitas.demo.scripted_openai import scripted_openai
    from civitas.testing.adapter import AdapterSuite
    from civitas.testing.adapter_model import SuiteModel, ToolCall
    from civitas.testing.memory_network import MemoryNetwork
    from civitas.testing.state_store import StateStoreSuite
    from civitas.testing.transport import TransportSuite

__all__ = [
    "AdapterSuite",
    "ManualClock",
    "MemoryNetwork",
    "ModelCall",
    "ModelServer",
    "Probe",
    "ScriptedModel",
    "StateStoreSuite",
    "SuiteModel",
    "ToolCall",
    "TransportSuite",
    "scripted_openai",
]


_LATE = {
    "AdapterSuite": "civitas.testing.adapter",
    "MemoryNetwork": "civitas.testing.memory_network",
    "ModelServer": "civitas.demo.model_server",
    "StateStoreSuite": "civitas.testing.state_store",
    "SuiteModel": "civitas.testing.adapter_model",
    "ToolCall": "civitas.testing.adapter_model",
    "TransportSuite": "civitas.testing.transport",
    "scripted_openai": "civitas.demo.scripted_openai",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
