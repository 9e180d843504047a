"""An OpenAI Agents SDK agent with a tool. It knows nothing of Civitas.

The archive's client leaks what it opens, and one request finds nothing left: a process in that state is of no use any
more. The tool does not hide that, and so the agent crashes; its next incarnation has a client of its own.
"""

import errno
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
        self.leaked = True

    def search(self, words: str) -> str:
        if self.leaked:
            self.leaked = False  # whoever comes next has them all
            raise OSError(errno.EMFILE, "the archive's client ran out of files")
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
