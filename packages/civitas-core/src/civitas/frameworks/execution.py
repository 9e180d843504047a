"""One execution of `run_framework`: in its span, with what ends it told apart."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from civitas.errors import BudgetExceeded, NoProgress
from civitas.frameworks.exits import Exited, contain_exits
from civitas.frameworks.instrumentors import told_by_others
from civitas.frameworks.outcomes import chain
from civitas.frameworks.run import Interrupted, Run, current_run
from civitas.frameworks.stuck import unless_stuck
from civitas.telemetry import names

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from civitas.frameworks.spans import SpanTree

__all__ = ["execute", "span_of"]

logger = logging.getLogger("civitas")


def span_of(run: Run) -> AbstractContextManager[Span]:
    """The span of `run`, which is that of its agent."""
    agent = run.agent
    tracing = agent._civitas_running().node.tracing
    make = tracing.agent_span if agent.operation == "invoke_agent" else tracing.workflow_span
    about = {names.CONVERSATION: run.message.conversation, names.POOL: _pool_of(agent.name)}
    return make(agent.name, **about)


async def execute(run: Run, span: Span) -> Any:
    """What the agent's `run_framework` returns for `run`, whose spans are children of `span`."""
    contain_exits()
    token = current_run.set(run)
    metrics = run.agent._civitas_running().node.tracing.metrics
    if span.is_recording() or metrics.active:
        run.spans = _spans_below(span, run)
    status = "failed"
    try:
        try:
            async with unless_stuck(run):
                result = await run.agent.run_framework(run)
            status = "interrupted" if isinstance(result, Interrupted) else "done"
            return result
        finally:
            if run.spans is not None:
                run.spans.close()
    except NoProgress:
        status = "stuck"
        _warn_of_threads(run)
        raise
    except Exception as error:
        if run.exceeded is not None and not isinstance(error, BudgetExceeded):
            raise run.exceeded._again() from error
        # The framework may have raised an exception of its own from it.
        exited = next((each for each in chain(error) if isinstance(each, Exited)), None)
        if exited is None:
            raise
        raise (exited.__cause__ or exited) from None
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            raise RuntimeError("code in the run raised CancelledError itself") from error
        status = "cancelled"
        _warn_of_threads(run)
        raise
    finally:
        current_run.reset(token)
        if metrics.active:
            metrics.run_ended(run.agent.name, status)


def _spans_below(span: Span, run: Run) -> SpanTree:
    from civitas.frameworks.spans import SpanTree

    agent = run.agent
    return SpanTree(
        span,
        agent._civitas_running().node.tracing,
        agent=agent.name,
        conversation=run.conversation,
        pool=_pool_of(agent.name),
        told=told_by_others(agent.distributions) if agent.framework_spans is None else (),
        silent=agent.framework_spans is False,
    )


def _pool_of(agent: str) -> str | None:
    """The pool that an agent of that name is a conversation of."""
    pool, slash, _ = agent.partition("/")
    return pool if slash else None


def _warn_of_threads(run: Run) -> None:
    """A call that blocks a thread cannot be ended from outside."""
    count = run.agent._civitas_running().node.blocking_calls(run.message.id)
    if count:
        logger.warning(
            "agent %r: its run was cancelled, but blocking calls of it go on in threads (%d); what they return is "
            "dropped. If they must end too, give the agent an OS process of its own (process:), which can be killed",
            run.agent.name,
            count,
        )
