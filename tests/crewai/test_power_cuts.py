"""What a power cut leaves of conversations with crews."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deep import DEEP
from tests.integration.adapters.remembering import check_power_cuts

CUTS, LOOKS = (60, 1000) if DEEP else (1, 6)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]  # of CrewAI itself


@pytest.mark.promise(id="SEM-1649")
@pytest.mark.timeout(60 + 30 * CUTS)
async def test_after_a_power_cut_each_conversation_has_all_that_was_answered_and_nothing_is_torn(
    tmp_path: Path,
) -> None:
    """The files are copied while the program that writes them is stopped in the middle of whatever it does."""
    await check_power_cuts(tmp_path / "state.db", CUTS, LOOKS, "crew")
