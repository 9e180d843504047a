"""The HTTP edge: any OpenAI client is a client of an agent, and a program in any language can talk to all of them.

It needs the extra ``web`` (``pip install 'civitas-core[web]'``).
"""

from civitas.edge.http.options import HttpOptions
from civitas.edge.http.served_system import ServedSystem
from civitas.edge.http.server import HttpEdge

__all__ = ["HttpEdge", "HttpOptions", "ServedSystem"]
