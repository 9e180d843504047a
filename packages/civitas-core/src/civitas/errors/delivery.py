"""An `ask`, `send` or `stream` that did not get through, or got no answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from civitas.errors.base import CivitasError

__all__ = [
    "AgentTerminated",
    "AskCycle",
    "AskTimeout",
    "BudgetExceeded",
    "DeliveryError",
    "HandlerFailed",
    "MailboxFull",
    "NoReply",
    "NodeDown",
    "NotStored",
    "RunCancelled",
    "RunChanged",
    "RunConflict",
    "UnknownAgent",
    "UnknownInterrupt",
    "UnknownRun",
]


class DeliveryError(CivitasError):
    """An `ask`, `send` or `stream` did not get through, or got no answer."""


class UnknownAgent(DeliveryError):
    """No agent has that name anywhere in the system. Known at once, never a timeout.

    Attributes:
        name: The name that was asked for.
        suggestions: The closest names there are.
    """

    def __init__(self, name: str, suggestions: Sequence[str] = ()) -> None:
        self.name = name
        self.suggestions = tuple(suggestions)
        if self.suggestions:
            hint = f"did you mean {' or '.join(map(repr, self.suggestions))}?"
        else:
            hint = "runtime.tree() lists the agents there are"
        super().__init__(f"no agent is named {name!r}; {hint}")


class AskTimeout(DeliveryError, TimeoutError):
    """No answer in time. The agent may still finish; its late reply is a dead letter.

    Attributes:
        agent: Name of the agent that was asked.
        message_type: Type of the message.
        timeout: Seconds that were waited.
        run: Name of the run, for `runtime.result`, where the agent is durable; otherwise None.
    """

    def __init__(
        self,
        agent: str,
        message_type: str,
        timeout: float,
        detail: str = "",
        *,
        run: str | None = None,
    ) -> None:
        self.agent = agent
        self.message_type = message_type
        self.timeout = timeout
        self.run = run
        then = "Give it a longer timeout=, or find out what holds it up"
        if run is not None:
            then += f"; runtime.result({run!r}) says what becomes of it"
        super().__init__(
            f"{agent!r} did not answer {message_type!r} within {timeout:g} s"
            f"{'; ' + detail if detail else ''}. {then}"
        )


class HandlerFailed(DeliveryError):
    """The handler of the asked agent raised; raised at once, not after the timeout.

    Attributes:
        agent: Name of the agent.
        error_type: Bare class name of the original error, such as ``ValueError``.
        error_message: Text of the original error.
        remote_traceback: The original traceback as text, if there is one.
        refused: Whether the agent does not take the payload: the mistake is the sender's, and the agent lives.
    """

    refused: bool = False

    def __init__(
        self, agent: str, error_type: str, error_message: str, remote_traceback: object = ""
    ) -> None:
        self.agent = agent
        self.error_type = error_type
        self.error_message = error_message
        self._remote_traceback = remote_traceback
        super().__init__(
            f"{agent!r} failed: {error_type}: {error_message}. "
            ".remote_traceback says where it was raised; fix that, then ask again"
        )

    @property
    def remote_traceback(self) -> str:
        """The original traceback; what was given becomes text when it is read."""
        return str(self._remote_traceback)


class UnknownInterrupt(HandlerFailed):
    """A `resume` names an interrupt that is not open, or was answered already; raised at once, and the agent lives.

    Attributes:
        agent: Name of the agent.
        error_message: Which interrupt it does not know, and which are open.
    """

    def __init__(self, agent: str, error_message: str, remote_traceback: object = "") -> None:
        super().__init__(agent, "UnknownInterrupt", error_message, remote_traceback)
        self.args = (error_message,)


class NoReply(DeliveryError):
    """The handler returned None although an answer was asked for.

    Attributes:
        agent: Name of the agent.
        message_type: Type of the message it handled.
    """

    def __init__(self, agent: str, message_type: str) -> None:
        self.agent = agent
        self.message_type = message_type
        super().__init__(
            f"{agent!r} handled {message_type!r} but returned None; "
            "return self.reply(...) from handle, or use send instead of ask"
        )


class AgentTerminated(DeliveryError):
    """The agent was stopped, or its supervisor gave up, before it answered.

    Attributes:
        agent: Name of the agent.
    """

    def __init__(self, agent: str, why: str = "it was stopped") -> None:
        self.agent = agent
        super().__init__(
            f"{agent!r} will not answer: {why}. Start it again with restart_child, "
            "or look for its crash in the log"
        )


class NodeDown(DeliveryError):
    """The OS process or machine of the agent went away before it answered.

    Attributes:
        agent: Name of the agent; that of the process where it was the process itself that was to do something.
        node: Name of the process.
    """

    def __init__(
        self,
        agent: str,
        node: str,
        why: str = "it went away",
        *,
        advice: str = "Ask again; delivery='at_least_once' would have kept the message",
    ) -> None:
        self.agent = agent
        self.node = node
        what = "process" if agent == node else f"{agent!r} will not answer: its process"
        super().__init__(f"{what} {node!r} is down ({why}). {advice}")


class MailboxFull(DeliveryError):
    """The mailbox stayed full for the whole timeout. The message was not accepted.

    Attributes:
        agent: Name of the agent.
        size: How many messages its mailbox holds; None for a conversation that its pool had no place for.
        timeout: Seconds that were waited.
    """

    def __init__(self, agent: str, size: int | None, timeout: float) -> None:
        self.agent = agent
        self.size = size
        self.timeout = timeout
        super().__init__(
            f"the pool of {agent!r} had no room for it for {timeout:g} s: its conversations are busy, and the queue "
            "behind them is full. Send slower, wait longer (timeout=), or give the pool a larger max_live"
            if size is None
            else f"the mailbox of {agent!r} ({size} messages) stayed full for {timeout:g} s. "
            "Send slower, wait longer (timeout=), or give it a larger mailbox_size"
        )


class NotStored(DeliveryError):
    """The broker that keeps the agent's messages did not take this one, or did not say that it has it.

    Attributes:
        agent: Name of the agent.
        unsure: Whether the broker may have it all the same; otherwise it surely has not.
    """

    def __init__(self, agent: str, why: str, *, unsure: bool = False) -> None:
        self.agent = agent
        self.unsure = unsure
        what = "may not have been stored" if unsure else "was not stored"
        then = "Sent again, it may be handled twice" if unsure else "Fix that, then send it again"
        super().__init__(f"a message for {agent!r} {what}: {why}. {then}")


class AskCycle(DeliveryError):
    """The ask would wait for itself. Raised at once.

    Attributes:
        cycle: The names that wait for each other, the first one repeated at the end.
    """

    def __init__(self, cycle: Iterable[str]) -> None:
        self.cycle = tuple(cycle)
        super().__init__(
            f"this ask would wait for itself: {' -> '.join(self.cycle)}. "
            "Use send for one of the legs, or answer before asking"
        )


_UNITS = {"calls": "{:g} calls", "tokens": "{:g} tokens", "usd": "${:g}", "seconds": "{:.3g} s"}


class BudgetExceeded(DeliveryError):
    """A budget is used up: the call of a model that needed more of it was not made, and the agent lives.

    Attributes:
        agent: Name of the agent that was about to make the call.
        budget: Whose budget it is, such as ``supervisor 'research'``.
        what: What there is not enough of: `calls`, `tokens`, `usd` or `seconds`.
        limit: How much of that may be spent.
        used: How much of that is spent, or reserved by calls that are being made.
        key: Names the budget in `runtime.budgets()`.
        asks: Whether a human is asked to raise it; who sees this has asked nobody.
    """

    def __init__(
        self,
        agent: str,
        budget: str,
        what: str,
        limit: float,
        used: float,
        *,
        key: str = "",
        asks: bool = False,
    ) -> None:
        self.agent = agent
        self.budget = budget
        self.what = what
        self.limit = limit
        self.used = used
        self.key = key
        self.asks = asks
        unit = _UNITS[what]
        super().__init__(
            f"agent {agent!r} may not go on: the budget of {budget} allows {unit.format(limit)}, {unit.format(used)} "
            f"are used, and not enough is left for what comes next. Raise that budget"
            f"{f' (runtime.raise_budget({key!r}, ...))' if key else ''}, or make the work smaller"
        )

    def _again(self) -> BudgetExceeded:
        """The same, to be raised elsewhere, without what was raised around this one."""
        return BudgetExceeded(
            self.agent, self.budget, self.what, self.limit, self.used, key=self.key, asks=self.asks
        )


class RunConflict(DeliveryError):
    """A run has that name already, and it began with something else. Nothing was sent.

    Attributes:
        run: The name.
        agent: Name of the agent that the run with this name is of.
    """

    def __init__(self, run: str, agent: str, difference: str) -> None:
        self.run = run
        self.agent = agent
        super().__init__(
            f"the run {run!r} of {agent!r} began with {difference}. Give what is new another name; "
            "runtime.result has the answer of the one that is there"
        )


class RunChanged(DeliveryError):
    """The code of the agent is not the one that a run began with, and `on_change` refuses to go on with it.

    Attributes:
        run: Name of the run.
        agent: Name of the agent.
        differences: What differs, each in words.
        held: Whether the run is kept as it is, and goes on by itself when its agent starts with code that fits.
            False if the run has ended: as an answer to a question, which stays open, or in a broker.
    """

    def __init__(
        self, run: str, agent: str, differences: Iterable[str], told: str, *, held: bool = True
    ) -> None:
        self.run = run
        self.agent = agent
        self.differences = tuple(differences)
        self.held = held
        super().__init__(
            f"the run {run!r} of {agent!r} does not go on, as the code has changed since it began: {told}"
        )


class RunCancelled(DeliveryError):
    """The run was cancelled, or given up as nobody waited for it any more, before it had an answer.

    Attributes:
        run: Name of the run.
        agent: Name of the agent.
        expired: Whether the time of whoever waited for it was up.
    """

    def __init__(
        self, run: str, agent: str, why: str = "it was cancelled", *, expired: bool = False
    ) -> None:
        self.run = run
        self.agent = agent
        self.expired = expired
        super().__init__(
            f"the run {run!r} of {agent!r} has no answer: {why}. Ask again under another name"
        )


class UnknownRun(DeliveryError):
    """No run has that name: there was none, or its answer was kept for long enough.

    Attributes:
        run: The name.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        super().__init__(
            f"there is no run {run!r}: none of that name was accepted, or it ended longer ago than answers are kept "
            "(results: {keep: 24h})"
        )
