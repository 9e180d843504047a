"""What the entry point names."""

from __future__ import annotations

from typing import Any

import civitas


@civitas.hookimpl
def civitas_model_providers() -> dict[str, Any]:
    """Offer the provider under the name `completions`."""
    from civitas_completions.provider import ChatCompletions

    return {"completions": ChatCompletions}
