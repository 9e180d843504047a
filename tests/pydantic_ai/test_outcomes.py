"""Every exception that can be met has a place in the table."""

from __future__ import annotations

import pytest
from pydantic_ai.exceptions import ModelHTTPError, UnexpectedModelBehavior

from civitas import wrap
from civitas.errors import HandlerFailed
from civitas_pydantic_ai._outcomes import OUTCOMES
from tests.core.frameworks.exceptions import public, shown, unplaced
from tests.core.frameworks.support import restarts, running
from tests.pydantic_ai.support import Says


@pytest.mark.promise(id="SEM-1085")
def test_each_exception_that_the_framework_defines_today_is_placed() -> None:
    assert unplaced(OUTCOMES, "pydantic_ai", "pydantic_graph") == []


def test_the_page_has_the_table() -> None:
    assert shown("Pydantic AI") == public(OUTCOMES)


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (ModelHTTPError(503, "m1", headers={"retry-after": "0"}), 2),
        (ModelHTTPError(400, "m1"), 1),
        (UnexpectedModelBehavior("odd"), 1),
    ],
)
async def test_a_durable_run_tries_again_what_may_work_then(error: Exception, tries: int) -> None:
    def script(messages: object) -> str:
        if len(says.asked) == 1:
            raise error
        return "done"

    says = Says(script)
    async with running(wrap(says.agent(), name="a", durable=True)) as runtime:
        if tries == 1:
            with pytest.raises(HandlerFailed):
                await runtime.ask("a", {"input": "hi"})
        else:
            assert (await runtime.ask("a", {"input": "hi"})).payload == {"output": "done"}
        assert restarts(runtime) == 0
    assert len(says.asked) == tries
