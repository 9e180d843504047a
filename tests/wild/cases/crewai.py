"""Crews of CrewAI."""

from __future__ import annotations

import json
from typing import Any

from civitas.demo.model_replies import ToolCall
from tests.wild.case import Case

__all__ = ["CREWS"]


def crew(name: str, source: str, **keywords: Any) -> Case:
    """A crew that `make_crew` makes, in the module of its own name."""
    keywords.setdefault("wrap", f"{name.replace('-', '_')}:make_crew")
    keywords.setdefault("recalls", keywords["says"])
    if not keywords.get("answers"):
        keywords["inapplicable"] = {"interrupt": "asks nobody", **keywords.get("inapplicable", {})}
    return Case(name=name, framework="CrewAI", source=source, packages=("crewai",), **keywords)


CREWS = [
    crew(
        "trip-planner",
        "CrewAI's example: trip planner",
        payload={"origin": "Oslo", "cities": "Bergen, Bodo", "interests": "fish"},
        play=[
            ToolCall("search_internet", {"query": "weather"}),
            "Bergen.",
            "Day 1: the fish market.",
        ],
        says="Day 1: the fish market.",
    ),
    crew(
        "stock-analysis",
        "CrewAI's example: stock analysis, two tasks at once",
        payload={"company_stock": "ACME"},
        play=[
            ("Recommend what", "Hold ACME."),
            ("Read the filings", "Filings are fine."),
            ("Analyse the financials", ToolCall("calculator", {"expression": "6*7"})),
            "Earnings are 42.",
        ],
        says="Hold ACME.",
    ),
    crew(
        "marketing-posts",
        "CrewAI's example: marketing strategy, a `@CrewBase` with YAML files",
        wrap="marketing_posts:MarketingPostsCrew",
        payload={"customer_domain": "example.org", "project_description": "otters"},
        play=[
            "They sell otters.",
            json.dumps({"name": "Splash", "tactics": ["wave"]}),
            "Otters for all.",
        ],
        says="Otters for all.",
    ),
    crew(
        "job-posting",
        "CrewAI's example: job posting, with a guardrail and JSON",
        payload={"company_domain": "example.org", "hiring_needs": "a diver"},
        play=[
            "They like water.",
            "We have synergy.",
            "We seek a diver.",
            json.dumps({"title": "Diver", "text": "We seek a diver."}),
        ],
        says="Diver",
    ),
    crew(
        "hierarchical-crew",
        "CrewAI's documentation: a hierarchical process with a manager",
        payload={"topic": "otters"},
        play=[
            ToolCall(
                "delegate_work_to_coworker",
                {"task": "Find out", "context": "otters", "coworker": "Researcher"},
            ),
            ToolCall("count_words", {"text": "otters swim"}),
            "Two words.",
            "Report: otters swim.",
        ],
        says="Report: otters swim.",
    ),
    crew(
        "landing-page",
        "CrewAI's example: landing page generator, callbacks and tools",
        payload={"idea": "a shop for otters"},
        play=[
            "A shop.",
            ToolCall("list_templates"),
            ToolCall("write_file", {"path": "page.jsx", "content": "<Otter/>"}),
            "The page is built.",
        ],
        says="The page is built.",
    ),
    crew(
        "game-builder",
        "CrewAI's example: game builder, planned first",
        payload={"game": "snake"},
        play=[
            json.dumps(
                {
                    "list_of_plans_per_task": [
                        {"task_number": 1, "task": "code", "plan": "Write it."},
                        {"task_number": 2, "task": "review", "plan": "Read it."},
                    ]
                }
            ),
            "print('snake')",
            "print('better snake')",
        ],
        says="print('better snake')",
        again={"game": "tetris"},
        recalls="better snake",
    ),
    crew(
        "email-responder",
        "CrewAI's example: e-mail auto responder, with human input",
        payload={"emails": "Is Tuesday fine?"},
        play=["One mail.", "Tuesday is fine.", "Tuesday at ten is fine."],
        says="Tuesday at ten is fine.",
        answers=("Say at ten.", ""),
        asks='"draft": "Tuesday',
    ),
    crew(
        "match-profile",
        "CrewAI's example: match profile to positions, kickoff hooks and a condition",
        wrap="match_profile:MatchToProposal",
        payload={"cv": "  I dive.  "},
        play=["Dives.", "Diver wanted."],
        says="Diver wanted. (matched)",
    ),
]
