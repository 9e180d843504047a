"""What a run of a crew relies on, by name: agents, tasks, tools, and the words for the models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from civitas.frameworks import Part, fingerprint, name_of

if TYPE_CHECKING:
    from crewai import Crew
    from crewai.flow.flow import Flow

__all__ = ["flow_shape", "shape_of"]


def shape_of(crew: Crew) -> Iterator[Part]:
    """What a run of `crew` relies on, which has not run yet: the templates of its words, without inputs."""
    yield Part("process", "", value=crew.process.value)
    if crew.manager_llm is not None:
        yield Part("manager's model", "", value=_model(crew.manager_llm), loose=True)
    agents = [*crew.agents, crew.manager_agent, *(task.agent for task in crew.tasks)]
    for agent in {id(each): each for each in agents if each is not None}.values():
        of = _role(agent)
        yield Part("agent", of)
        yield Part("goal", "", of, fingerprint(agent.goal), loose=True)
        yield Part("backstory", "", of, fingerprint(agent.backstory), loose=True)
        yield Part("model", "", of, _model(agent.llm), loose=True)
        yield from _tools(agent.tools, of)
    for number, task in enumerate(crew.tasks, 1):
        of = task.name or f"task {number}"
        yield Part("task", of, value=_role(task.agent))
        yield Part("description", "", of, fingerprint(task.description), loose=True)
        yield Part("expected output", "", of, fingerprint(task.expected_output), loose=True)
        # A task without tools of its own has those of its agent.
        known = {tool.name for tool in (task.agent.tools if task.agent is not None else ()) or ()}
        yield from _tools([tool for tool in task.tools or () if tool.name not in known], of)


def _role(agent: Any) -> str:
    return agent.role.strip() if agent is not None else ""


def _tools(tools: Any, of: str) -> Iterator[Part]:
    for tool in tools or ():
        try:
            takes = fingerprint(tool.args_schema.model_json_schema())
        except Exception:  # a schema that cannot be written down; its name is known all the same
            takes = ""
        yield Part("tool", tool.name, of, takes)


def _model(given: Any) -> str:
    if given is None or isinstance(given, str):
        return given or ""
    name = getattr(given, "model", None)
    return name if isinstance(name, str) else name_of(given)


def flow_shape(flow: Flow[Any]) -> Iterator[Part]:
    """What a run of `flow` relies on."""
    for name, field in getattr(type(flow.state), "model_fields", {}).items():
        yield Part("field of the state", name, value=fingerprint(repr(field.annotation)))
    for name, method in type(flow).flow_definition().methods.items():
        yield Part("method", name)
        begins = {"start": method.start, "listen": method.listen, "router": method.router}
        yield Part("trigger", "", name, fingerprint(begins))
        if (feedback := method.human_feedback) is not None:
            yield Part("outcomes", "", name, fingerprint(list(feedback.emit or ())))
            yield Part("question", "", name, fingerprint(feedback.message), loose=True)
