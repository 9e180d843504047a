"""What the root was given in Python, lent to its processes: the state store, the model, the tools."""

__all__: list[str] = []
