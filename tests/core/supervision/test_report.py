"""What a supervisor writes into the log."""

from __future__ import annotations

import pytest

from civitas.errors import HandlerFailed, StartFailed
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from tests.core.support import Actor, Journal


@pytest.mark.promise(id="SEM-427")
async def test_a_crash_is_a_record_of_the_supervisors_own_logger_with_four_fields(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Runtime(Supervisor("root", [Actor("a", Journal())])) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("a", {}, "crash")
    (record,) = [each for each in caplog.records if each.name == "civitas.supervision"]
    first = record.getMessage().partition("\n")[0]
    assert first.startswith(
        "supervisor=root errorContext=child_terminated offender=a reason=crashed"
    )
    assert "a crashes" in first


@pytest.mark.promise(id="SEM-402")
async def test_a_failed_start_is_told_with_its_cause_and_what_to_mend() -> None:
    with pytest.raises(StartFailed) as caught:
        await Runtime(Supervisor("root", [Actor("a", Journal(), fail_starts=1)])).start()
    assert str(caught.value) == (
        "'a' did not start: RuntimeError: cannot start. "
        "Fix its module, its constructor or its on_start"
    )
    assert caught.value.child == "a"
    assert isinstance(caught.value.cause, RuntimeError)
