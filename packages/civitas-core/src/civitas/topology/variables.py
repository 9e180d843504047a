"""`${VAR}` and `${VAR:-default}` in a topology."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

__all__ = ["BadVariable", "Variables", "Without", "named_variables"]

_FORM = re.compile(r"\$\$\{|\$\{[^}\n]*\}|\$\{|[\ue000\ue001]")
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?")
_MARK = re.compile("\ue000([0-9]+)\ue001")


class BadVariable(ValueError):
    """A variable that is not set, or `${` that is not one; its text says what to do."""


class Variables:
    """Hides the variables of a YAML text from the YAML parser, and puts their values into its scalars.

    Hiding comes first because `{path: ${DB}}` is not YAML: a brace may not stand in plain text between
    braces. Values come last, scalar by scalar, so that no value can change the structure of the file.

    Args:
        environment: Where the values are; the environment of this OS process by default.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._forms: list[str] = []

    def hide(self, text: str) -> str:
        """`text` with a mark in place of each variable; line breaks stay where they are."""

        def mark(match: re.Match[str]) -> str:
            self._forms.append(match[0])
            return f"\ue000{len(self._forms) - 1}\ue001"

        return _FORM.sub(mark, text)

    def expand(self, text: str) -> str:
        """`text` with each mark replaced by the value of its variable.

        Raises:
            BadVariable: One is not set and has no default, or is not written as a variable.
        """
        return _MARK.sub(lambda match: self._value(self._forms[int(match[1])]), text)

    def show(self, text: str) -> str:
        """`text` with each mark replaced by what stood there, for an error."""
        return _MARK.sub(lambda match: self._forms[int(match[1])], text)

    def swallowed_quote(self, hidden: str) -> tuple[int, str] | None:
        """Where in `hidden` a variable reaches over the end of a quoted text, as its `}` is missing, and its text."""
        for number, form in enumerate(self._forms):
            at = hidden.index(f"\ue000{number}\ue001")
            before = hidden[:at].rpartition("\n")[2]
            if form.startswith("${") and any(
                form.count(quote) % 2 and before.count(quote) % 2 for quote in "\"'"
            ):
                return at, form
        return None

    def substitute(self, text: str) -> str:
        """`text`, which no parser needs to read, with its variables replaced; raises as `expand`."""
        return self.expand(self.hide(text))

    def _value(self, form: str) -> str:
        if form == "$${":
            return "${"
        if not form.startswith("$"):
            return form  # a character of the text that happens to be one of our marks
        inside = _INSIDE.fullmatch(form[2:-1]) if form.endswith("}") else None
        if inside is None or "${" in form[2:]:
            raise BadVariable(
                f"{form} is not a variable; write ${{NAME}} or ${{NAME:-default}}, "
                "or $${ for a literal ${"
            )
        name, default = inside[1], inside[2]
        value = self._environment.get(name)
        if value or (value is not None and default is None):
            return value
        if default is None:
            raise BadVariable(
                f"the environment variable {name} is not set; set it, "
                f"or give a default: ${{{name}:-default}}"
            )
        return default


class Without(Variables):
    """Variables as they are in no environment at all: each is its default, or stands for itself without one.

    For what must not depend on the environment, nor hold a secret of it.
    """

    def __init__(self) -> None:
        super().__init__({})

    def _value(self, form: str) -> str:
        try:
            return super()._value(form)
        except BadVariable:
            if not named_variables(form):
                raise
            return form


def named_variables(text: str) -> list[tuple[str, bool]]:
    """The variables that a text names, as written, and whether each has a default there."""
    forms = (_INSIDE.fullmatch(form[2:-1]) for form in _FORM.findall(text) if form[:2] == "${")
    return [(inside[1], inside[2] is not None) for inside in forms if inside is not None]
