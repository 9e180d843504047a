"""The store, held to what every state store promises."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from civitas_folder import FolderStateStore

from civitas.testing import StateStoreSuite


class TestFolderStateStore(StateStoreSuite):
    """The suite, run on this store."""

    optional: ClassVar = {"keys", "close", "reopen"}

    @pytest.fixture
    def store(self, tmp_path: Path) -> FolderStateStore:
        """A fresh and empty store."""
        return FolderStateStore(tmp_path / "state")

    async def reopen(self, store: FolderStateStore) -> FolderStateStore:
        """Another store on the same folder."""
        return FolderStateStore(store.path)
