"""`PluginManager`: finds, checks and asks the plugins of one runtime."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pluggy

from civitas.errors import CivitasError, ConfigurationError, PluginError
from civitas.plugins import hookspecs
from civitas.plugins.check import check_contribution, check_hooks, described, is_function
from civitas.plugins.discovery import installed

if TYPE_CHECKING:
    from civitas.events import Event
    from civitas.state import LongRecord

__all__ = ["FoundPlugin", "PluginManager"]

logger = logging.getLogger("civitas")

_ASKED_LATER = ("civitas_wrap", "civitas_messages", "civitas_on_event", "civitas_redact")


class _BuiltIn:
    """What the core itself offers, by the same hooks as everybody else."""

    @hookspecs.hookimpl
    def civitas_state_stores(self) -> dict[str, Any]:
        # Fetched by name: the rooms of this floor do not import each other.
        state = importlib.import_module("civitas.state")
        return {
            "memory": state.InMemoryStateStore,
            "sqlite": state.SQLiteStateStore,
            "nats_kv": state.NatsKVStateStore,
        }

    @hookspecs.hookimpl
    def civitas_transports(self) -> dict[str, Any]:
        zmq = importlib.import_module("civitas.transport.zmq")
        nats = importlib.import_module("civitas.transport.nats")
        return {
            "in_process": zmq.private_sockets,
            "zmq": zmq.ZmqCarrier,
            "nats": nats.NatsCarrier,
        }


class _Hooks(pluggy.PluginManager):
    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        # Pluggy before 1.7 would run the properties of a plugin by looking at them.
        return super().parse_hookimpl_opts(plugin, name) if is_function(plugin, name) else None


@dataclass(frozen=True, slots=True)
class FoundPlugin:
    """One plugin that was found, for people to read.

    Attributes:
        name: Its entry point, or its module or class.
        source: Where it comes from: a distribution and its version, ``built in``, or ``passed as plugins=``.
        hooks: The hooks it implements.
        provides: Hook to the names it contributes, for the hooks that return a dict.
        error: Why it was left out; None if it is in use.
    """

    name: str
    source: str
    hooks: tuple[str, ...] = ()
    provides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    error: str | None = None


class PluginManager:
    """The plugins of one runtime; looked for at the first question.

    A broken installed plugin is logged, listed by `found` with its error, and left out. One that was passed
    explicitly was meant: it raises.

    Args:
        plugins: Modules or objects with hooks, beside those that are installed.
        discover: Whether to look for installed ones at all.

    Every method raises `PluginError` when the first call meets a broken plugin among `plugins`; it names the plugin,
    the hook, and what does not fit.
    """

    def __init__(self, plugins: Iterable[Any] = (), *, discover: bool = True) -> None:
        if isinstance(plugins, str) or not isinstance(plugins, Iterable):
            raise ConfigurationError(
                f"plugins must be a list of modules and objects with hooks; got {plugins!r}"
            )
        self._passed = tuple(plugins)
        self._discover = discover
        self._loaded = False
        self._reset()

    def load(self) -> None:
        """Find and check the plugins now, rather than at the first question."""
        if self._loaded:
            return
        self._reset()  # a first try may have ended half way, in an error
        self._add(_BuiltIn(), "civitas", "built in")
        for plugin in self._passed:
            self._add(plugin, _name_of(plugin), "passed as plugins=")
        if self._discover:
            for entry in installed():
                if entry.error is not None:
                    self._found.append(FoundPlugin(entry.name, entry.source, error=entry.error))
                    continue
                try:
                    self._add(entry.plugin, entry.name, entry.source)
                except PluginError as error:
                    logger.warning("%s (from %s); it is left out", error, entry.source)
                    self._found.append(FoundPlugin(entry.name, entry.source, error=_problem(error)))
        self._loaded = True

    def state_stores(self) -> dict[str, Any]:
        """State stores by name, the built-in ones among them."""
        return self._all("civitas_state_stores")

    def transports(self) -> dict[str, Any]:
        """Carriers by name, the built-in ones among them."""
        return self._all("civitas_transports")

    def agent_types(self) -> dict[str, Any]:
        """Agent classes by short name."""
        return self._all("civitas_agent_types")

    def model_providers(self) -> dict[str, Any]:
        """Model providers by name."""
        return self._all("civitas_model_providers")

    def tool_providers(self) -> dict[str, Any]:
        """Tools by name."""
        return self._all("civitas_tool_providers")

    def wrap(self, obj: Any, name: str, options: Mapping[str, Any]) -> Any:
        """Ask each plugin whether `obj` is its framework's.

        Returns:
            An `AgentProcess`, or None when nobody knows such objects.
        Raises:
            PluginError: A hook broke, and no other plugin knew the object.
        """
        self.load()
        arguments = {"obj": obj, "name": name, "options": options}
        broken: PluginError | None = None
        for implementation in self._implementations("civitas_wrap"):
            try:
                agent = _call(implementation, arguments)
            except (CivitasError, KeyboardInterrupt):
                raise  # it knows the object, and says what is wrong with it or its options
            except BaseException as error:
                broken = broken or _raised(implementation.plugin_name, "civitas_wrap", error)
                broken.__cause__ = broken.__cause__ or error
                continue
            if agent is None:
                continue
            if not callable(getattr(agent, "handle", None)):
                raise PluginError(
                    implementation.plugin_name,
                    "civitas_wrap",
                    f"returned a {type(agent).__name__}; return an AgentProcess, or None",
                )
            return agent
        if broken is not None:
            raise broken
        return None

    def messages(self, kept: LongRecord) -> Any:
        """Ask each plugin for the messages of a conversation that its adapter keeps; None when nobody knows it.

        Raises:
            PluginError: A hook broke.
        """
        self.load()
        for implementation in self._implementations("civitas_messages"):
            with _reporting(implementation.plugin_name, "civitas_messages"):
                found = _call(implementation, {"kept": kept})
            if found is not None:
                return found
        return None

    @property
    def listens(self) -> bool:
        """Whether any plugin wants to know about events."""
        self.load()
        return bool(self._listeners)

    def emit(self, event: Event) -> None:
        """Tell every plugin that wants to know; an error in one is logged and skipped."""
        self.load()
        for implementation in self._listeners:
            try:
                _call(implementation, {"event": event})
            except KeyboardInterrupt:
                raise
            except BaseException:
                logger.exception(
                    "plugin %r, hook civitas_on_event: raised on a %r event; skipped",
                    implementation.plugin_name,
                    event.type,
                )

    def redactor(self) -> Callable[[str, Any], Any] | None:
        """What each plugin in turn makes of what is about to be recorded; None if none of them changes anything."""
        self.load()
        implementations = self._implementations("civitas_redact")
        if not implementations:
            return None

        def redact(attribute: str, content: Any) -> Any:
            for each in implementations:
                if content is None:
                    break
                content = _call(each, {"attribute": attribute, "content": content})
            return content

        return redact

    def found(self) -> list[FoundPlugin]:
        """Every plugin that was found, broken ones too; the built-in one first."""
        self.load()
        return list(self._found)

    def _reset(self) -> None:
        self._hooks = _Hooks("civitas")
        self._hooks.add_hookspecs(hookspecs)
        self._found: list[FoundPlugin] = []
        self._contributions: dict[str, dict[str, tuple[str, Any]]] = {}
        self._listeners: tuple[pluggy.HookImpl, ...] = ()

    def _add(self, plugin: Any, name: str, source: str) -> None:
        """Check a plugin and register it whole, or raise and register nothing of it."""
        if self._hooks.is_registered(plugin):
            return  # passed, and installed as well
        if self._hooks.has_plugin(name):
            raise PluginError(name, None, "another plugin has the same name; rename one of them")
        with _reporting(name):
            self._add_checked(plugin, name, source)

    def _add_checked(self, plugin: Any, name: str, source: str) -> None:
        hooks = check_hooks(plugin, name)
        contributions = {
            hook: self._contribution(function, name, hook)
            for hook, function in hooks.items()
            if hook not in _ASKED_LATER
        }
        try:
            self._hooks.register(plugin, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginError(name, None, str(error)) from error
        for hook, offered in contributions.items():
            known = self._contributions.setdefault(hook, {})
            known.update({key: (name, value) for key, value in offered.items()})
        self._listeners = tuple(self._implementations("civitas_on_event"))
        provides = {hook: tuple(sorted(offered)) for hook, offered in contributions.items()}
        self._found.append(FoundPlugin(name, source, tuple(sorted(hooks)), provides))

    def _contribution(
        self, function: Callable[[], Any], plugin: str, hook: str
    ) -> Mapping[str, Any]:
        with _reporting(plugin, hook):
            offered = function()
            check_contribution(offered, plugin, hook)
        for key in offered:
            if key in self._contributions.get(hook, {}):
                owner, _ = self._contributions[hook][key]
                raise PluginError(
                    plugin, hook, f"the name {key!r} is taken by plugin {owner!r}; choose another"
                )
        contribution: Mapping[str, Any] = offered
        return contribution

    def _all(self, hook: str) -> dict[str, Any]:
        self.load()
        return {key: value for key, (_, value) in self._contributions.get(hook, {}).items()}

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        # Pluggy keeps them in the reverse of the order they are called in.
        caller: pluggy.HookCaller = getattr(self._hooks.hook, hook)
        return caller.get_hookimpls()[::-1]


def _call(implementation: pluggy.HookImpl, arguments: Mapping[str, Any]) -> Any:
    return implementation.function(*[arguments[name] for name in implementation.argnames])


@contextmanager
def _reporting(plugin: str, hook: str | None = None) -> Iterator[None]:
    """Whatever a plugin raises, `sys.exit` included, is a `PluginError` that names it."""
    try:
        yield
    except (PluginError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise _raised(plugin, hook, error) from error


def _raised(plugin: str, hook: str | None, error: BaseException) -> PluginError:
    return PluginError(plugin, hook, f"raised {described(error)}")


def _problem(error: PluginError) -> str:
    return f"hook {error.hook}: {error.problem}" if error.hook else error.problem


def _name_of(plugin: Any) -> str:
    name = getattr(plugin, "__name__", None)
    if isinstance(name, str):
        return name
    kind = type(plugin)
    return f"{kind.__module__}.{kind.__qualname__}"
