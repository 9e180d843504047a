"""Messages between nodes: what was sent from here, what came, and what becomes of each."""

__all__: list[str] = []
