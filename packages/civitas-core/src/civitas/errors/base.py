"""What every error of Civitas is, and those of arguments and payloads."""

from __future__ import annotations

__all__ = ["CivitasError", "ConfigurationError", "PayloadError", "PluginError", "TopologyError"]


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
        refused: Whether it was sent, and the agent that got it does not take it: the mistake is the sender's.
    """

    def __init__(self, path: str, problem: str, *, refused: bool = False) -> None:
        self.path = path
        self.problem = problem
        self.refused = refused
        super().__init__(f"{path}: {problem}")
