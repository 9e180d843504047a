"""The door of a running system: a socket of its owner's, through which the command line reaches it."""

from civitas.control.client import ControlClient, NotRunning
from civitas.control.lock import SystemLock, holder
from civitas.control.server import ControlServer
from civitas.topology.state_folder import state_folder

__all__ = ["ControlClient", "ControlServer", "NotRunning", "SystemLock", "holder", "state_folder"]
