"""Plugins: what others add to Civitas, found by the entry-point group ``civitas`` or passed as ``plugins=[...]``."""

from __future__ import annotations

from civitas.plugins.hookspecs import hookimpl
from civitas.plugins.manager import FoundPlugin, PluginManager

__all__ = ["FoundPlugin", "PluginManager", "hookimpl"]
