"""Every error that Civitas raises on purpose.

    CivitasError
    ├── ConfigurationError        bad arguments, a missing extra, a plugin that does not fit
    │   ├── TopologyError         a topology file that cannot be run (.file, .line)
    │   └── PluginError           a plugin that was refused (.plugin, .hook)
    ├── PayloadError              a payload that cannot be sent (.path)
    ├── DeliveryError             an `ask`, `send` or `stream` that got no answer
    │   ├── UnknownAgent          nobody has that name (.name, .suggestions)
    │   ├── AskTimeout            no answer in time; also a builtin TimeoutError
    │   ├── HandlerFailed         the handler raised (.agent, .error_type, .error_message)
    │   │   └── UnknownInterrupt  a `resume` names no open interrupt
    │   ├── NoReply               the handler returned None
    │   ├── AgentTerminated       it was stopped, or its supervisor gave up, before it answered
    │   ├── NodeDown              its OS process or machine went away before it answered
    │   ├── MailboxFull           its mailbox stayed full for the whole timeout
    │   ├── NotStored             the broker that keeps its messages did not take this one (.unsure)
    │   └── AskCycle              the ask would wait for itself (.cycle)
    ├── SupervisorGaveUp          a supervisor ran out of restarts
    ├── StartFailed               a child did not start (.child, .cause)
    ├── SupervisionError          a child administration call was refused (.reason)
    └── StateStoreError           a state store could not read or write (.key)
        └── StateConflict         somebody else has written what was to be replaced (.expected, .found)

Each message says what happened, to which agent, and what to do next; each fact in it is an attribute too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = [
    "AgentTerminated",
    "AskCycle",
    "AskTimeout",
    "CivitasError",
    "ConfigurationError",
    "DeliveryError",
    "HandlerFailed",
    "MailboxFull",
    "NoReply",
    "NodeDown",
    "NotStored",
    "PayloadError",
    "PluginError",
    "StartFailed",
    "StateConflict",
    "StateStoreError",
    "SupervisionError",
    "SupervisorGaveUp",
    "TopologyError",
    "UnknownAgent",
    "UnknownInterrupt",
]


class CivitasError(Exception):
    """Base of every error that Civitas raises on purpose."""


class ConfigurationError(CivitasError):
    """Arguments, environment or installation do not fit; nothing was started."""


class TopologyError(ConfigurationError):
    """A topology file cannot be run.

    Attributes:
        file: The file as it was given, or None for a dict.
        line: Line of the offending word, counted from 1, or None if there is no file.
    """

    def __init__(self, problem: str, *, file: str | None = None, line: int | None = None) -> None:
        self.problem = problem
        self.file = file
        self.line = line
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(f"{where}{problem}")


class PluginError(ConfigurationError):
    """A plugin was refused.

    Attributes:
        plugin: The plugin's name: its entry point, or its module or class.
        hook: The hook that does not fit, or None if the plugin could not be loaded at all.
    """

    def __init__(self, plugin: str, hook: str | None, problem: str) -> None:
        self.plugin = plugin
        self.hook = hook
        self.problem = problem
        super().__init__(f"plugin {plugin!r}" + (f", hook {hook}: " if hook else ": ") + problem)


class PayloadError(CivitasError):
    """A payload cannot be sent; nothing was.

    Attributes:
        path: Where in the payload the trouble is, such as ``payload.items[3].conn``.
    """

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


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
    """

    def __init__(self, agent: str, message_type: str, timeout: float, detail: str = "") -> None:
        self.agent = agent
        self.message_type = message_type
        self.timeout = timeout
        super().__init__(
            f"{agent!r} did not answer {message_type!r} within {timeout:g} s"
            f"{'; ' + detail if detail else ''}. Give it a longer timeout=, or find out what holds it up"
        )


class HandlerFailed(DeliveryError):
    """The handler of the asked agent raised; raised at once, not after the timeout.

    Attributes:
        agent: Name of the agent.
        error_type: Bare class name of the original error, such as ``ValueError``.
        error_message: Text of the original error.
        remote_traceback: The original traceback as text, if there is one.
    """

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


class SupervisorGaveUp(CivitasError):
    """A supervisor met more crashes than it may answer with restarts.

    Attributes:
        supervisor: Name of the supervisor.
        child: Name of the child whose crash was one too many.
        error: What that child died of, as text.
    """

    def __init__(self, supervisor: str, child: str, limit: str, error: str) -> None:
        self.supervisor = supervisor
        self.child = child
        self.error = error
        super().__init__(
            f"supervisor {supervisor!r} gave up: {child!r} crashed once more than {limit} allow. "
            f"Last error: {error}. Fix the cause, or raise max_restarts or restart_window"
        )


def _cure_of_start(cause: BaseException) -> str:
    """What to do about a child that did not start."""
    from civitas.hidden import hides

    return hides(cause) or "Fix its module, its constructor or its on_start"


class StartFailed(CivitasError):
    """A child did not start.

    Where a supervisor was starting its children, those before it were stopped again; where a topology was being built,
    nothing had started yet.

    Attributes:
        child: Name of the child.
        cause: The error that `on_start`, its constructor or its import raised.
        incident: What kept others from starting, too, such as the end of their OS process; a supervisor counts it
            once. Empty where it concerns this child alone.
    """

    def __init__(self, child: str, cause: BaseException) -> None:
        self.child = child
        self.cause = cause
        self.incident = ""
        if isinstance(cause, ConfigurationError | NodeDown):
            what = str(cause)  # it says what to do
        else:
            what = f"{type(cause).__name__}: {cause}. {_cure_of_start(cause)}"
        super().__init__(f"{child!r} did not start: {what}")


class SupervisionError(CivitasError):
    """A child administration call was refused; nothing was changed.

    Attributes:
        reason: `already_started`, `already_present`, `not_found`, `running`, `restarting` or
            `max_children`: OTP's words.
    """

    def __init__(self, reason: str, explanation: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}: {explanation}")


class StateStoreError(CivitasError):
    """A state store could not read or write. What was acknowledged before is still there.

    Attributes:
        key: The key it was about, or None.
        transient: Whether it may pass by itself, as a full disk or a server that is away may: agents then wait for the
            store for a while, in place.
    """

    def __init__(self, problem: str, *, key: str | None = None, transient: bool = False) -> None:
        self.key = key
        self.transient = transient
        super().__init__(problem)


class StateConflict(StateStoreError):
    """Somebody else has written under the key since it was read. What they wrote stays.

    For an agent it means that another incarnation of it has taken over, on another machine perhaps.

    Attributes:
        key: The key.
        expected: The revision that was to be replaced; 0 for nothing.
        found: The one that is there; 0 for nothing.
    """

    def __init__(self, key: str, expected: int, found: int, *, text: str = "") -> None:
        self.expected = expected
        self.found = found
        super().__init__(
            text
            or f"{key!r} was not saved: somebody else has written it since it was read (revision {found} is there, and "
            f"{expected} was expected). Read it again and decide with what it says; if it is an agent's own state "
            "or conversation, another incarnation or another process of the agent uses it at the same time",
            key=key,
        )
