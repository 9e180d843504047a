"""A package of agents beside a topology, and the plugin of a framework that it uses."""

from __future__ import annotations

from typing import Any

import civitas.plugins
from civitas.errors import ConfigurationError
from civitas.message import Message
from civitas.process import AgentProcess

__all__ = ["TEAM", "ThingAgent", "ThingPlugin"]

TEAM = """
from civitas.process import AgentProcess
import os

class Base(AgentProcess):
    async def handle(self, message):
        return self.reply(None)

class Planner(Base):
    def __init__(self, name, *, style="long", **keywords):
        super().__init__(name, **keywords)
        self.style = style

class Sized(Planner):
    def __init__(self, name, size, **keywords):
        if size == 13:
            raise ValueError("an unlucky size")
        super().__init__(name, **keywords)
        self.size = size

class Renamed(Base):
    def __init__(self, name):
        super().__init__("somebody-else")

class Closed(Base):
    def __init__(self, name):
        super().__init__(name)

class Nameless(Base):
    def __init__(self):
        super().__init__("nameless")

class Takes(Base):
    def __init__(self, name, **anything):
        super().__init__(name)
        self.anything = anything

class Outer:
    class Inner(Planner):
        pass

class Thing:
    '''An object of a framework.'''

thing = Thing()
number = 5

def make_thing():
    return Thing()

def make_number():
    return 5

class NeedsLoop(AgentProcess):
    def __init__(self, name, **keywords):
        import asyncio
        asyncio.get_running_loop()
        super().__init__(name, **keywords)
    async def handle(self, message):
        return self.reply(self._civitas_options.mailbox_size)

def make_nothing():
    raise LookupError("no key for the model")
"""


class ThingAgent(AgentProcess):
    def __init__(self, name: str, *, thing: Any, temperature: float = 0.5, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.thing = thing
        self.temperature = temperature

    async def handle(self, message: Message) -> Message:
        return self.reply(None)


class ThingPlugin:
    """An adapter, as another distribution would bring it."""

    @civitas.plugins.hookimpl
    def civitas_wrap(self, obj: Any, name: str, options: dict[str, Any]) -> AgentProcess | None:
        if type(obj).__name__ != "Thing":
            return None
        if "temprature" in options:
            raise ConfigurationError(
                "ThingAgent takes no 'temprature'; did you mean 'temperature'?"
            )
        return ThingAgent(name, thing=obj, **options)

    @civitas.plugins.hookimpl
    def civitas_agent_types(self) -> dict[str, Any]:
        return {"Thingy": ThingAgent}
