"""What the entry point names."""

from __future__ import annotations

from typing import Any

import civitas


@civitas.hookimpl
def civitas_transports() -> dict[str, Any]:
    """Offer the carrier under the name `streams`."""
    from civitas_streams.carrier import StreamCarrier

    return {"streams": StreamCarrier}
