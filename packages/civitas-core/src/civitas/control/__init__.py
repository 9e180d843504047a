"""The door of a running system: a socket of its owner's, through which the command line reaches it."""

from civitas.control.client import ControlClient
from civitas.control.place import state_folder
from civitas.control.server import ControlServer

__all__ = ["ControlClient", "ControlServer", "state_folder"]
