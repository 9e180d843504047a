"""What a topology says of conversations holds in every OS process of its system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from civitas import Runtime
from tests.core.frameworks.machine import Machine, MachineAgent
from tests.integration.processes.system import topology


class Books(MachineAgent):
    """A machine of its own."""

    def __init__(self, name: str, **keywords: Any) -> None:
        super().__init__(name, machine=Machine, **keywords)


@pytest.mark.promise(id="SEM-1572")
async def test_a_long_conversation_of_a_worker_keeps_its_newest_messages(tmp_path: Path) -> None:
    books = {"name": "books", "type": f"{__name__}.Books", "process": "worker"}
    state = {"type": "sqlite", "path": str(tmp_path / "civitas.db")}
    config = topology({"agent": books}, state=state)
    config["conversations"] = {"longest": 2}
    async with Runtime.from_config(config) as runtime:
        for order in "abcd":
            reply = await runtime.ask("books", [order], conversation="trip")
        assert reply.payload["before"] == ["B", "C"]
