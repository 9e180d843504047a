"""The tools of a runtime, by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from civitas.errors import ConfigurationError
from civitas.tools.function import FunctionTool, tool

if TYPE_CHECKING:
    from civitas.telemetry import Tracing

__all__ = ["ToolProvider", "ToolRegistry", "UnknownTool"]


@runtime_checkable
class ToolProvider(Protocol):
    """One tool; plain attributes will do for the three properties."""

    @property
    def name(self) -> str:
        """What it is called by: letters, digits, ``_`` and ``-``."""

    @property
    def description(self) -> str:
        """What it does and when to use it; the model reads this."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """JSON Schema of its arguments, an object."""

    async def call(self, **arguments: Any) -> Any:
        """Do it, and return plain data."""


class UnknownTool(ConfigurationError, KeyError):
    """No tool has that name.

    Attributes:
        name: The name that was asked for.
        suggestions: The closest names there are.
    """

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        known = sorted(known)
        self.suggestions = tuple(difflib.get_close_matches(name, known, n=3, cutoff=0.7))
        if self.suggestions:
            hint = f"did you mean {' or '.join(map(repr, self.suggestions))}?"
        elif known:
            hint = f"there are: {', '.join(known)}"
        else:
            hint = "there are none; give the runtime some with tools=[...]"
        self._text = f"no tool is named {name!r}; {hint}"
        super().__init__(self._text)

    def __str__(self) -> str:
        return self._text  # KeyError would show its repr


class ToolRegistry(Mapping[str, ToolProvider]):
    """Tools by name, with a span ``execute_tool NAME`` around each call.

    Arguments and results stay out of it unless the environment asks for them.

    Args:
        tools: Tools, or typed functions to make tools of.
        tracing: Of the runtime; None for no spans.

    Raises:
        ConfigurationError: Something is not a tool, or two have the same name.
    """

    def __init__(self, tools: Iterable[Any] = (), tracing: Tracing | None = None) -> None:
        self._tools: dict[str, ToolProvider] = {}
        self._tracing = tracing
        self._offered: dict[str, list[str]] = {}
        if isinstance(tools, str) or not isinstance(tools, Iterable):
            raise ConfigurationError(f"tools must be a list of tools; got {tools!r}")
        for each in tools:
            self._add(each)

    def __getitem__(self, name: str) -> ToolProvider:
        try:
            return self._tools[name]
        except KeyError:
            raise UnknownTool(name, self._tools) from None

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    async def call(self, name: str, /, **arguments: Any) -> Any:
        """Call a tool by its name.

        Raises:
            UnknownTool: There is none; says the closest names.
            ValueError: The arguments do not fit.
        """
        return await self[name].call(**arguments)

    def _offer(self, owner: str, tools: Iterable[ToolProvider]) -> None:
        """Add the tools of somebody who comes and goes, in place of those that it had.

        Raises:
            ConfigurationError: Another tool has the name of one of them; then those that it had stay.
        """
        tools = list(tools)
        before = self._offered.get(owner, ())
        taken = [
            each.name for each in tools if each.name in self._tools and each.name not in before
        ]
        if taken:
            raise ConfigurationError(
                f"{owner!r} has a tool {taken[0]!r}, and there is another of that name; give its tools a prefix"
            )
        for name in before:
            del self._tools[name]
        for each in tools:
            self._add(each)
        self._offered[owner] = [each.name for each in tools]

    def _all_offered(self) -> list[ToolProvider]:
        """The tools that `offer` has added."""
        return [self._tools[name] for names in self._offered.values() for name in names]

    def _untraced(self, name: str) -> ToolProvider:
        """The tool `name` without its span, for code that makes one elsewhere."""
        found = self[name]
        return found.wrapped if isinstance(found, _TracedTool) else found

    def __repr__(self) -> str:
        return f"<ToolRegistry {', '.join(self._tools) or 'empty'}>"

    def _add(self, given: Any) -> None:
        # Ours is known without a look at its parameters, which would make their schema now.
        if isinstance(given, type) or not isinstance(given, (FunctionTool, ToolProvider)):
            if isinstance(given, type) or not callable(given):
                raise ConfigurationError(
                    f"{given!r} is not a tool: a tool has name, description, parameters and an async call; "
                    "put @civitas.tool above a typed function to make one"
                )
            given = tool(given)
        if given.name in self._tools:
            raise ConfigurationError(f"two tools are named {given.name!r}; rename one of them")
        tracing = self._tracing
        self._tools[given.name] = given if tracing is None else _TracedTool(given, tracing)


class _TracedTool:
    """A tool with a span around each call."""

    def __init__(self, wrapped: ToolProvider, tracing: Tracing) -> None:
        self.wrapped = wrapped
        self._tracing = tracing
        self.name = wrapped.name
        self.description = wrapped.description

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.wrapped.parameters

    async def call(self, **arguments: Any) -> Any:
        tracing = self._tracing
        if not tracing.watched:
            return await self.wrapped.call(**arguments)
        content = tracing.content
        if content is None:
            with tracing.tool_span(self.name):
                return await self.wrapped.call(**arguments)
        from civitas.telemetry import names

        given = {names.TOOL_ARGUMENTS: content.value(names.TOOL_ARGUMENTS, arguments)}
        with tracing.tool_span(self.name, **given) as span:
            result = await self.wrapped.call(**arguments)
            if (told := content.value(names.TOOL_RESULT, result)) is not None:
                span.set_attribute(names.TOOL_RESULT, told)
            return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)

    def __repr__(self) -> str:
        return f"<traced {self.wrapped!r}>"
