"""The OS processes of a system: who is there, who comes, who is gone."""

__all__: list[str] = []
