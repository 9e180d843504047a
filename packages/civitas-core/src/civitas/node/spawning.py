"""Where an agent that is spawned at run time goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from civitas.errors import ConfigurationError
from civitas.process import ChildKind
from civitas.supervision import Parent

__all__ = ["dynamic_supervisor"]


class KnowsSupervisors(Protocol):
    """Knows the supervisors."""

    @property
    def supervisors(self) -> Mapping[str, Parent]:
        """By name."""

    def owner_of(self, name: str) -> Parent | None:
        """The supervisor of an agent; None for a name that is not there."""


def dynamic_supervisor(tree: KnowsSupervisors, sender: str, name: str | None) -> Parent:
    """The dynamic supervisor of that name; None for the nearest to `sender`: beside it, and otherwise going up.

    Raises:
        ConfigurationError: There is none.
    """
    if name is not None:
        found = tree.supervisors.get(name)
        if found is not None and found.kind is ChildKind.DYNAMIC_SUPERVISOR:
            return found
        known = [
            each.name
            for each in tree.supervisors.values()
            if each.kind is ChildKind.DYNAMIC_SUPERVISOR
        ]
        raise ConfigurationError(
            f"there is no DynamicSupervisor {name!r}; known: {', '.join(known) or 'none'}"
        )
    above = tree.owner_of(sender)
    while above is not None:
        for each in (above, *above.children):
            if each.kind is ChildKind.DYNAMIC_SUPERVISOR:
                return tree.supervisors[each.name]
        above = above.parent
    raise ConfigurationError(
        f"{sender!r} cannot spawn: there is no DynamicSupervisor beside or above it; "
        'add DynamicSupervisor("sessions") to the children of its supervisor'
    )
