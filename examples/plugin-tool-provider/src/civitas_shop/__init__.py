"""A sample Civitas plugin: two tools, a typed function and a class."""

from civitas_shop.tools import Price, multiply

__all__ = ["Price", "multiply"]
