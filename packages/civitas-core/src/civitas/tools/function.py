"""`@civitas.tool`: a tool made of a typed function."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, overload

from civitas.errors import ConfigurationError
from civitas.tools.threads import in_thread, tool_threads

__all__ = ["FunctionTool", "tool"]

# What model providers accept as the name of a tool.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class FunctionTool:
    """A tool made of a function; calling it calls the function, as before.

    Attributes:
        name: The function's name, unless another was given.
        description: Its docstring down to the first section, unless another was given.
        probe: What says whether a call was made; None if nothing can.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None,
        description: str | None,
        probe: Callable[[Any], Any] | None = None,
    ) -> None:
        self._function = function
        if probe is not None and not callable(probe):
            raise ConfigurationError(
                f"@civitas.tool(probe=...) must be a function of one argument, the AmbiguousCall; got {probe!r}"
            )
        self.probe = probe
        self.name = name if name is not None else getattr(function, "__name__", "")
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"{self.name!r} cannot be the name of a tool; use up to 64 letters, digits, _ and -. "
                "@civitas.tool(name=...) gives another"
            )
        text, self._arguments = _read_docstring(inspect.getdoc(function) or "")
        self.description = description if description is not None else text
        self._check(inspect.signature(function))
        functools.update_wrapper(self, function)

    @functools.cached_property
    def parameters(self) -> Mapping[str, Any]:
        """JSON Schema of the arguments; made when first asked for."""
        schema: dict[str, Any] = self._adapter.json_schema()
        for name, described in schema.get("properties", {}).items():
            described.pop("title", None)
            if name in self._arguments:
                described.setdefault("description", self._arguments[name])
        schema.setdefault("properties", {})
        return schema

    async def call(self, **arguments: Any) -> Any:
        """Check the arguments and call the function; a plain ``def`` runs in a thread of the runtime.

        Raises:
            ValueError: The arguments do not fit the parameters; says which and why.
        """
        from pydantic import ValidationError

        try:
            # Checked apart from the call: a ValidationError of the function itself is its own affair.
            bound = self._checked(**arguments)
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
            )
            raise ValueError(f"tool {self.name!r}: these arguments do not fit: {wrong}") from error
        if inspect.iscoroutinefunction(self._function):
            return await self._function(*bound.args, **bound.kwargs)
        call = functools.partial(self._function, *bound.args, **bound.kwargs)
        return await in_thread(tool_threads.get(), call)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function as it was written, without a check."""
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tool {self.name!r}>"

    @functools.cached_property
    def _adapter(self) -> Any:
        from pydantic import PydanticUserError, TypeAdapter

        function: Any = self._function
        try:
            return TypeAdapter(function)
        except (PydanticUserError, NameError) as error:
            raise ConfigurationError(
                f"tool {self.name!r}: its type hints cannot be read ({error}); "
                "use types that pydantic knows, defined in the module"
            ) from error

    @functools.cached_property
    def _checked(self) -> Callable[..., inspect.BoundArguments]:
        """A function with the same parameters that checks them and hands them back."""
        from pydantic import validate_call

        _ = self._adapter  # its error explains hints that cannot be read
        signature = inspect.signature(self._function)

        def collect(*args: Any, **kwargs: Any) -> inspect.BoundArguments:
            return signature.bind(*args, **kwargs)

        functools.update_wrapper(collect, self._function)
        checked: Callable[..., inspect.BoundArguments] = validate_call(collect)
        return checked

    def _check(self, signature: inspect.Signature) -> None:
        for name, parameter in signature.parameters.items():
            if parameter.kind in (
                parameter.POSITIONAL_ONLY,
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            ):
                raise ConfigurationError(
                    f"tool {self.name!r}: a model gives arguments by name, so {parameter} cannot be one; "
                    "name each parameter"
                )
            if parameter.annotation is parameter.empty:
                raise ConfigurationError(
                    f"tool {self.name!r}: the parameter {name!r} has no type; write {name}: str, "
                    "or whatever it is, so that the model knows"
                )


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    probe: Callable[[Any], Any] | None = None,
) -> Callable[[Callable[..., Any]], FunctionTool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    probe: Callable[[Any], Any] | None = None,
) -> FunctionTool | Callable[[Callable[..., Any]], FunctionTool]:
    """Make a tool of a typed function, sync or async.

    Its name, its docstring with the descriptions under ``Args:``, and its type hints are what the model sees::

        @civitas.tool
        async def weather(city: str, days: int = 1) -> str:
            "Look up the weather of a city."

    Args:
        function: The function.
        name: Another name than the function's.
        description: Another description than the docstring's.
        probe: Asked in place of a human, or before a call is made again of which nobody knows whether it was made: a
            function of that `AmbiguousCall`, sync or async, which returns `Happened(result)`, or None if it was not.
            For tools that are called in a `step`; an adapter takes `probes`.
    Raises:
        ConfigurationError: A parameter has no type or cannot be given by name, or the name does not fit.
    """
    if function is None:
        return lambda decorated: FunctionTool(decorated, name, description, probe)
    if not inspect.isroutine(function):
        raise ConfigurationError(f"@civitas.tool goes above a function; got {function!r}")
    return FunctionTool(function, name, description, probe)


_SECTION = re.compile(
    r"(Args|Arguments|Parameters|Returns|Yields|Raises|Example|Examples|Note|Notes):$"
)
_ARGUMENT = re.compile(r"(\w+)(?:\s*\([^)]*\))?:\s*(.*)")


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Split a docstring in Google's style.

    Args:
        text: The docstring, indentation removed.
    Returns:
        The text before the first section, and a description for each argument that has one.
    """
    description: list[str] = []
    arguments: dict[str, str] = {}
    section = None
    indent: int | None = None
    current = None
    for line in text.splitlines():
        if _SECTION.match(line):
            section, indent, current = line[:-1], None, None
        elif section is None:
            description.append(line)
        elif section in ("Args", "Arguments", "Parameters") and line.strip():
            depth = len(line) - len(line.lstrip())
            indent = depth if indent is None else indent
            match = _ARGUMENT.match(line.strip())
            if depth <= indent and match:
                current = match[1]
                arguments[current] = match[2]
            elif current is not None:
                arguments[current] = f"{arguments[current]} {line.strip()}".strip()
    return "\n".join(description).strip(), arguments
