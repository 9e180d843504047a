"""Links each public name that a page writes as code to its entry in the API."""

from __future__ import annotations

import builtins
from itertools import dropwhile
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import find_pending_xref_condition, make_refnode

__all__ = ["setup"]

_BUILTINS = frozenset(vars(builtins))
_VARIABLES = {"runtime": "Runtime"}
"""Names that the pages give to an object of a class."""


class LinkNames(SphinxPostTransform):
    """Makes a link of `Runtime.ask`, `runtime.ask(...)` and `HandlerFailed`."""

    default_priority = 200

    def run(self, **_: Any) -> None:
        """Look at each piece of inline code that is no link yet."""
        objects = self.env.domains.python_domain.objects
        longest_first = sorted(objects, key=len, reverse=True)
        paths = {short: path for path in longest_first if (short := _short(path))}
        for literal in list(self.document.findall(nodes.literal)):
            path = paths.get(_named(literal.astext()))
            if path is None or _stands_in(literal, nodes.reference, nodes.title):
                continue
            goal = objects[path]
            literal.replace_self(
                make_refnode(
                    self.app.builder,
                    self.env.docname,
                    goal.docname,
                    goal.node_id,
                    [literal.deepcopy()],
                )
            )


class LeaveBuiltins(SphinxPostTransform):
    """Takes `type` and `set` in a signature for Python's own, although attributes of ours have such names, too."""

    default_priority = 5  # before Sphinx looks references up

    def run(self, **_: Any) -> None:
        """Look at each name that a signature refers to."""
        for reference in list(self.document.findall(addnodes.pending_xref)):
            if reference.get("refdomain") == "py" and reference["reftarget"] in _BUILTINS:
                shown = find_pending_xref_condition(reference, "resolved")
                reference.replace_self((shown or reference).children)


def _stands_in(node: nodes.Node, *kinds: type[nodes.Node]) -> bool:
    return node.parent is not None and (
        isinstance(node.parent, kinds) or _stands_in(node.parent, *kinds)
    )


def _short(path: str) -> str:
    """From the class on, and empty without one: `tool` and `wrap` are words of topologies and frameworks, too."""
    parts = path.split(".")
    return ".".join(dropwhile(lambda part: not part[:1].isupper(), parts))


def _named(code: str) -> str:
    name = code.partition("(")[0].removeprefix("civitas.")
    first, dot, rest = name.partition(".")
    return f"{_VARIABLES.get(first, first)}{dot}{rest}"


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls for an extension."""
    app.add_post_transform(LeaveBuiltins)
    app.add_post_transform(LinkNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
