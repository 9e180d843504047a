"""`civitas top`: the running system on a terminal, live, with keys to look into an agent and to act on it."""

__all__: list[str] = []
