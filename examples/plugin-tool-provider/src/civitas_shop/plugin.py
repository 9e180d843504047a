"""What the entry point names."""

from __future__ import annotations

from typing import Any

import civitas


@civitas.hookimpl
def civitas_tool_providers() -> dict[str, Any]:
    """Offer a tool as it is, and a class that a topology makes one of."""
    from civitas_shop.tools import Price, multiply

    return {"multiply": multiply, "price": Price}
