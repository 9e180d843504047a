"""Random supervision trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from civitas.supervision import ChildSpec, ConversationPool, DynamicSupervisor, Supervisor
from tests.core.properties.world import Traits, Worker, World

__all__ = ["agents", "build", "dynamics", "pools", "trees"]

RESTART = st.sampled_from(["permanent", "permanent", "transient", "temporary"])

traits = st.builds(
    Traits,
    restart=RESTART,
    delivery=st.sampled_from(["at_most_once", "at_least_once"]),
    max_deliveries=st.integers(1, 3),
    mailbox_size=st.sampled_from([1, 2, 1000]),
    shutdown_timeout=st.sampled_from([0, 0.02]),
    cancel_on_timeout=st.booleans(),
    turns_to_start=st.integers(0, 3),
    turns_to_stop=st.integers(0, 3),
    fails_in_on_stop=st.booleans(),
)

limits = st.fixed_dictionaries(
    {
        "max_restarts": st.sampled_from([0, 1, 3, 100]),
        "restart_window": st.sampled_from([1.0, 60.0]),
        "backoff": st.sampled_from(["none", "none", "constant", "linear", "exponential"]),
        "backoff_base": st.sampled_from([0.1, 1.0]),
        "restart": RESTART,
    }
)

agents = st.tuples(st.just("agent"), traits)
dynamics = st.tuples(st.just("dynamic"), limits, st.sampled_from([None, 2]))
pools = st.tuples(st.just("pool"), limits, traits, st.sampled_from([1, 2, 1000]))


def supervisors(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Supervisors above `children`."""
    strategy = st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])
    return st.tuples(
        st.just("supervisor"), limits, strategy, st.lists(children, min_size=1, max_size=4)
    )


trees = supervisors(st.recursive(agents | dynamics | pools, supervisors, max_leaves=6))


def build(tree: Any, world: World, names: Iterator[str]) -> ChildSpec:
    """The spec that `tree` describes, with names taken from `names`."""
    name = next(names)
    match tree:
        case ("agent", traits):
            return Worker(name, world, traits)
        case ("dynamic", keywords, max_children):
            return DynamicSupervisor(name, max_children, **keywords)
        case ("pool", keywords, traits, max_live):
            template = Worker(name, world, traits)
            world.pools[name] = max_live
            return ConversationPool(name, template, max_live=max_live, idle_timeout=5, **keywords)
        case ("supervisor", keywords, strategy, children):
            below = [build(child, world, names) for child in children]
            return Supervisor(name, below, strategy=strategy, **keywords)
    raise AssertionError(tree)
