"""A create_agent agent whose mails a human looks at first."""

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.tools import tool


@tool
def read_mail() -> str:
    """Read the newest mail."""
    return "From Ada: can we meet on Tuesday at ten?"


@tool
def send_mail(to: str, text: str) -> str:
    """Send a mail."""
    return f"sent to {to}: {text}"


graph = create_agent(
    "openai:gpt-4o-mini",
    [read_mail, send_mail],
    system_prompt="You look after a mailbox.",
    middleware=[
        HumanInTheLoopMiddleware(
            interrupt_on={
                "send_mail": {"allowed_decisions": ["approve", "edit", "reject"]},
                "read_mail": False,
            }
        )
    ],
)
