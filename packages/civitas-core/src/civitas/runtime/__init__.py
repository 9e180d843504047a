"""The root of a system: it runs the supervision tree, and is what the outside talks to."""

from civitas.runtime.runtime import Runtime

__all__ = ["Runtime"]
