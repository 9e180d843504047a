"""Agents of the OpenAI Agents SDK."""

from __future__ import annotations

import json
from typing import Any

from civitas.demo.model_replies import ToolCall
from tests.wild.case import Case

__all__ = ["AGENTS"]


def agent(name: str, source: str, **keywords: Any) -> Case:
    """An agent that is named `agent`, in the module of its own name."""
    keywords.setdefault("wrap", f"{name.replace('-', '_')}:agent")
    keywords.setdefault("recalls", keywords["says"])
    if not keywords.get("answers"):
        keywords["inapplicable"] = {"interrupt": "asks nobody", **keywords.get("inapplicable", {})}
    return Case(
        name=name,
        framework="OpenAI Agents SDK",
        source=source,
        packages=("openai-agents",),
        **keywords,
    )


AGENTS = [
    agent(
        "airline-service",
        "the SDK's example: airline customer service with handoffs",
        wrap="airline_service:triage_agent",
        options={"context": "airline_service:AirlineAgentContext"},
        payload={"input": "Seat 1A please, my confirmation number is X1."},
        play=[
            ToolCall("transfer_to_seat_booking_agent"),
            ToolCall("update_seat", {"confirmation_number": "X1", "new_seat": "1A"}),
            "You have seat 1A.",
        ],
        says="You have seat 1A.",
        again={"input": "And may I bring a bag?"},
        again_play=["One of 50 pounds."],
    ),
    agent(
        "research-bot",
        "the SDK's example: research bot",
        payload={"input": "What do otters do?"},
        play=[
            ToolCall("plan_searches", {"input": "otters"}),
            json.dumps({"searches": [{"reason": "food", "query": "q"}]}),
            [ToolCall("search", {"input": "otter food"}), ToolCall("search", {"input": "sleep"})],
            ('{"content": "otter food"', ToolCall("web_search", {"query": "food"})),
            ('{"content": "sleep"', ToolCall("web_search", {"query": "sleep"})),
            ("results on food", "They eat urchins."),
            ("results on sleep", "They hold hands."),
            json.dumps(
                {
                    "short_summary": "They eat and sleep.",
                    "markdown_report": "# Otters",
                    "follow_up_questions": [],
                }
            ),
        ],
        says="They eat and sleep.",
    ),
    agent(
        "financial-research",
        "the SDK's example: financial research, analysts as tools",
        payload={"input": "How is Apple doing?"},
        play=[
            [
                ToolCall("fundamentals_analysis", {"input": "revenue of Apple"}),
                ToolCall("risk_analysis", {"input": "risks of Apple"}),
            ],
            ('"revenue of Apple"', json.dumps({"summary": "Revenue is up."})),
            ('"risks of Apple"', json.dumps({"summary": "Few risks."})),
            ToolCall("verify", {"input": "Apple is well."}),
            "No gaps.",
            json.dumps({"short_summary": "Apple is well.", "markdown_report": "# Apple"}),
        ],
        says="Apple is well.",
        again={"input": "And now?"},
        recalls="How is Apple doing?",
    ),
    agent(
        "routing",
        "the SDK's agent pattern: routing by handoffs",
        payload={"input": "Hola, que tal?"},
        play=[ToolCall("transfer_to_spanish_agent"), "Muy bien."],
        says="Muy bien.",
        again={"input": "Y que tiempo hace?"},
        again_play=["Hace sol."],
        recalls="You only speak Spanish",
    ),
    agent(
        "judged-outline",
        "the SDK's agent pattern: LLM as a judge",
        payload={"input": "A story of an otter."},
        play=[
            ToolCall("evaluate", {"input": "An otter."}),
            json.dumps({"feedback": "More plot.", "score": "needs_improvement"}),
            ToolCall("evaluate", {"input": "An otter dives for gold."}),
            json.dumps({"feedback": "Fine.", "score": "pass"}),
            "An otter dives for gold.",
        ],
        says="An otter dives for gold.",
        again={"input": "And one of an owl."},
        recalls="A story of an otter.",
    ),
    agent(
        "parallel-translators",
        "the SDK's agent pattern: parallelization",
        payload={"input": "Good morning"},
        play=[
            [ToolCall(f"translator_{at}", {"input": f"Good morning ({at})"}) for at in (1, 2, 3)],
            ('"Good morning (1)"', "Buenos dias"),
            ('"Good morning (2)"', "Buen dia"),
            ('"Good morning (3)"', "Hola"),
            "Buenos dias is best.",
        ],
        says="Buenos dias is best.",
    ),
    agent(
        "homework-guard",
        "the SDK's agent pattern: guardrails",
        payload={"input": "What are your hours?"},
        play=[json.dumps({"reasoning": "No.", "is_math_homework": False}), "From nine to five."],
        says="From nine to five.",
        redone=1,
    ),
    agent(
        "deterministic-story",
        "the SDK's agent pattern: a deterministic flow, run inside a tool",
        payload={"input": "An otter in space."},
        play=[
            ToolCall("tell_story", {"idea": "otter in space"}),
            "Outline: it floats.",
            json.dumps({"good_quality": True, "is_scifi": True}),
            "It floated among the stars.",
        ],
        says="It floated among the stars.",
        speaks=False,
        redone=2,
    ),
    agent(
        "weather-approvals",
        "the SDK's agent pattern: human in the loop",
        payload={"input": "Weather and temperature in Oakland?"},
        play=[
            [
                ToolCall("get_weather", {"city": "Oakland"}),
                ToolCall("get_temperature", {"city": "Oakland"}),
            ],
            "Sunny, 20 degrees.",
        ],
        says="Sunny, 20 degrees.",
        answers=(True,),
        asks='"arguments": {"city": "Oakland"}',
    ),
    agent(
        "nested-approvals",
        "the SDK's example: approval in an agent that is a tool",
        payload={"input": "Pay the invoice of 7."},
        play=[
            ToolCall("bursar", {"input": "Pay 7."}),
            ToolCall("pay", {"amount": 7}),
            "Paid 7.",
            "The invoice is paid.",
        ],
        says="The invoice is paid.",
        answers=({"approve": True},),
        asks='"name": "pay"',
    ),
    agent(
        "mcp-files",
        "the SDK's example: MCP filesystem over stdio",
        payload={"input": "What is my favourite book?"},
        play=[
            ToolCall("list_directory"),
            ToolCall("read_file", {"path": "favorite_books.txt"}),
            "It is Dune.",
        ],
        says="It is Dune.",
    ),
    agent(
        "portfolio-desk",
        "the SDK's documentation: dynamic instructions, hooks, a handoff with a filter",
        options={"context": "portfolio_desk:Desk"},
        payload={"input": "Should I sell ACME?"},
        play=[
            ToolCall("quote", {"symbol": "ACME"}),
            ToolCall("transfer_to_adviser"),
            json.dumps({"action": "sell", "currency": "EUR"}),
        ],
        says='"action": "sell"',
        again={"input": "And today?"},
        again_play=[json.dumps({"action": "keep", "currency": "EUR"})],
        recalls="Should I sell ACME?",
    ),
    agent(
        "streamed-jokes",
        "the SDK's example: streaming items",
        payload={"input": "Hello"},
        play=[ToolCall("how_many_jokes"), "One. Two."],
        says="One. Two.",
    ),
]
