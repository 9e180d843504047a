"""The functional API: tasks, one after the other and beside each other, and a review by a human."""

from langchain_openai import ChatOpenAI
from langgraph.func import entrypoint, task
from langgraph.types import interrupt

model = ChatOpenAI(model="gpt-4o-mini")


@task
async def write_outline(topic: str) -> str:
    return (await model.ainvoke(f"Outline an essay on {topic}")).content


@task
async def write_paragraph(outline: str, part: str) -> str:
    return (await model.ainvoke(f"Write the {part} of: {outline}")).content


@entrypoint()
async def graph(topic: str) -> dict:
    outline = await write_outline(topic)
    parts = [write_paragraph(outline, part) for part in ("opening", "ending")]
    essay = " ".join([await each for each in parts])
    approved = interrupt({"essay": essay, "action": "Please approve or reject."})
    return {"essay": essay, "approved": approved}
