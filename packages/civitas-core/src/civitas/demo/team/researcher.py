"""An OpenAI Agents SDK agent with a tool. It knows nothing of Civitas.

The archive behind the tool is flaky: the first request of the day finds the connection closed. The tool does not hide
that, and so the run fails, as it would with any service that goes away.
"""

import os

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, function_tool
from openai import AsyncOpenAI

NOTES = {
    "supervisor": (
        "A supervisor is a process whose only work is to watch others. It starts them, and when one dies it starts "
        "that one afresh, or its siblings with it; when that does not help, it hands the trouble to its own supervisor."
    ),
    "switch": (
        "Ericsson's AXD301 telephone switch ran more than a million lines of Erlang. Its makers did not try to foresee "
        "every error: a process that failed was left to crash, and one beside it put things right."
    ),
}


class Archive:
    def __init__(self):
        self.connected = False

    def search(self, words: str) -> str:
        if not self.connected:
            self.connected = True  # whoever comes next finds a new connection
            raise ConnectionResetError("the archive closed the connection")
        found = [note for word, note in NOTES.items() if word in words.lower()]
        return " ".join(found or NOTES.values())


archive = Archive()


# None: an error ends the run, rather than being told to the model as if it were a finding.
@function_tool(failure_error_function=None)
async def search_archive(words: str) -> str:
    """Search the archive.

    Args:
        words: What to look for.
    """
    return archive.search(words)


agent = Agent(
    name="Archivist",
    instructions="Answer the question in one or two sentences from what the archive says.",
    model=OpenAIChatCompletionsModel(
        model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
        openai_client=AsyncOpenAI(max_retries=1),
    ),
    model_settings=ModelSettings(tool_choice="required"),
    tools=[search_archive],
)
