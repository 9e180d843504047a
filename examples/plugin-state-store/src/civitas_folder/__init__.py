"""A sample Civitas plugin: a state store that keeps one file for each key."""

from civitas_folder.store import FolderStateStore

__all__ = ["FolderStateStore"]
