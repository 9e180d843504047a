"""Dead letters: the messages that nobody will handle, kept within a bound until somebody has looked at them."""

__all__: list[str] = []
