"""Agents of LangGraph and LangChain."""

from __future__ import annotations

import json
from typing import Any

from civitas.demo.model_replies import ToolCall
from tests.wild.case import Case

__all__ = ["GRAPHS"]

ASKS_NOBODY = {"interrupt": "asks nobody"}


def graph(name: str, source: str, *packages: str, **keywords: Any) -> Case:
    """A graph that is named `graph`, in the module of its own name."""
    keywords.setdefault("wrap", f"{name.replace('-', '_')}:graph")
    keywords.setdefault("recalls", keywords["says"])
    if not keywords.get("answers"):
        keywords["inapplicable"] = ASKS_NOBODY | keywords.get("inapplicable", {})
    own = ("langgraph", *packages)
    return Case(name=name, framework="LangGraph", source=source, packages=own, **keywords)


OF_PACKAGES = [
    graph(
        "react-prebuilt",
        "langgraph-prebuilt's `create_react_agent`",
        "langgraph-prebuilt",
        payload={"input": "What is the weather in Oslo?"},
        play=[ToolCall("get_weather", {"city": "Oslo"}), "Sunny in Oslo, as ever."],
        says="Sunny in Oslo, as ever.",
    ),
    graph(
        "langchain-assistant",
        "langchain's `create_agent` with five middlewares",
        "langchain",
        payload={"input": "From Oslo to Bergen. I am ada@example.org."},
        play=[
            ToolCall("write_todos", {"todos": [{"content": "look", "status": "in_progress"}]}),
            ToolCall("find_trains", {"origin": "Oslo", "destination": "Bergen"}),
            "Take the 08:03.",
        ],
        says="Take the 08:03.",
    ),
    graph(
        "langchain-mail-clerk",
        "langchain's `create_agent` with `HumanInTheLoopMiddleware`",
        "langchain",
        payload={"input": "Answer the newest mail."},
        play=[
            ToolCall("read_mail"),
            ToolCall("send_mail", {"to": "Ada", "text": "Tuesday is fine."}),
            "I told Ada that Tuesday is fine.",
        ],
        says="sent to Ada: Tuesday is fine.",
        recalls="I told Ada that Tuesday is fine.",
        answers=({"decisions": [{"type": "approve"}]},),
        asks="send_mail",
    ),
    graph(
        "langchain-extractor",
        "langchain's `create_agent` with a structured response and a dynamic prompt",
        "langchain",
        options={"context": {"language": "Norwegian"}},
        payload={"input": "How do I reach Ada?"},
        play=[
            ToolCall("directory", {"name": "Ada"}),
            ToolCall("Contact", {"name": "Ada", "email": "ada@example.org"}),
        ],
        says='"structured_response": {"email": "ada@example.org", "name": "Ada"}',
        recalls="Returning structured response",
        speaks=False,
    ),
    graph(
        "deep-researcher-files",
        "a deep agent with files, a plan and a subagent",
        "deepagents",
        payload={"input": "Do otters hold hands?"},
        play=[
            ToolCall("ls", {"path": "/"}),
            ToolCall("task", {"description": "look", "subagent_type": "researcher"}),
            ToolCall("internet_search", {"query": "otters"}),
            "They do hold hands.",
            ToolCall("write_file", {"file_path": "/report.md", "content": "They do."}),
            "It is in /report.md.",
        ],
        says="It is in /report.md.",
    ),
    graph(
        "deep-coder",
        "a deep agent that asks before it writes",
        "deepagents",
        payload={"input": "Fix the program."},
        play=[
            ToolCall("write_file", {"file_path": "/app.py", "content": "print(1)"}),
            ToolCall(
                "edit_file",
                {"file_path": "/app.py", "old_string": "print(1)", "new_string": "print(2)"},
            ),
            ToolCall("read_file", {"file_path": "/app.py"}),
            "It prints 2 now.",
        ],
        says="It prints 2 now.",
        answers=({"decisions": [{"type": "approve"}]}, {"decisions": [{"type": "approve"}]}),
        asks="/app.py",
        again={"input": "What does it print?"},
        again_play=["It prints 2."],
        again_answers=(),
        recalls="Fix the program.",
    ),
    graph(
        "supervisor-team",
        "langgraph-supervisor's research and math team",
        "langgraph-supervisor",
        payload={"input": "How many people work for Apple and Amazon together?"},
        play=[
            ToolCall("transfer_to_research_expert"),
            ToolCall("web_search", {"query": "headcounts"}),
            "Apple 164000, Amazon 1551000.",
            ToolCall("transfer_to_math_expert"),
            ToolCall("add", {"a": 164000, "b": 1551000}),
            "It is 1715000.",
            "They have 1715000 people.",
        ],
        says="They have 1715000 people.",
    ),
    graph(
        "swarm-travel",
        "langgraph-swarm's flight and hotel desks",
        "langgraph-swarm",
        payload={"input": "A flight and a hotel in Bergen, please."},
        play=[
            ToolCall("book_flight", {"to": "Bergen"}),
            ToolCall("transfer_to_hotels"),
            ToolCall("book_hotel", {"city": "Bergen"}),
            "Flight and hotel are booked.",
        ],
        says="Flight and hotel are booked.",
        again={"input": "Thanks. Which hotel is it?"},
        again_play=["The one in Bergen."],
        recalls="You book hotels.",
    ),
    graph(
        "langmem-notes",
        "langmem's memory tools on `create_agent`",
        "langmem",
        payload={"input": "Remember that I prefer dark mode."},
        play=[
            ToolCall("manage_memory", {"content": "Prefers dark mode.", "action": "create"}),
            "I will remember it.",
        ],
        says="I will remember it.",
        again={"input": "Which mode do I prefer?"},
        again_play=[ToolCall("search_memory", {"query": "mode"}), "Dark mode."],
        keeps=True,
    ),
    graph(
        "trustcall-profile",
        "trustcall's extractor, which has an answer patched that does not validate",
        "trustcall",
        payload={"input": "I am Ada, I swim."},
        play=[
            ToolCall("Profile", {"name": "Ada", "hobbies": []}),
            ToolCall(
                "PatchFunctionErrors",
                {
                    "json_doc_id": "doc",
                    "planned_edits": "Add swimming.",
                    "patches": [{"op": "add", "path": "/hobbies/0", "value": "swimming"}],
                },
            ),
        ],
        says="swimming",
        recalls='"content": "I am Ada, I swim.", "role": "user"}, {"content": "I am Ada, I swim."',
        speaks=False,
        redone=1,
    ),
    graph(
        "reflection-package",
        "langgraph-reflection's writer and judge",
        "langgraph-reflection",
        payload={"input": "Write of otters."},
        play=["Otters swim.", "Too short.", "Otters swim and dive.", "OK"],
        says="Otters swim and dive.",
        again={"input": "Write of owls."},
        recalls="Write of otters.",
    ),
    graph(
        "open-deep-research",
        "open-deep-research's `deep_researcher`",
        "open-deep-research",
        wrap="open_deep_research.deep_researcher:deep_researcher",
        options={"config": {"configurable": {"search_api": "none", "allow_clarification": True}}},
        payload={"input": "What do otters eat?"},
        play=[
            json.dumps({"need_clarification": False, "question": "", "verification": "I look."}),
            json.dumps({"research_brief": "The diet of otters."}),
            ToolCall("ConductResearch", {"research_topic": "The diet of sea otters"}),
            ToolCall("ResearchComplete"),
            "Sea otters eat urchins.",
            ToolCall("ResearchComplete"),
            "Report: they eat urchins.",
        ],
        says="Report: they eat urchins.",
        redone=1,
    ),
]

WRITTEN_ANEW = [
    graph(
        "plan-and-execute",
        "LangGraph's tutorial: plan-and-execute",
        payload={"input": "Where is the winner of the Australian Open 2024 from?"},
        play=[
            ToolCall("Plan", {"steps": ["find the winner", "find the town"]}),
            ToolCall("search", {"query": "winner"}),
            "Jannik Sinner.",
            ToolCall("Verdict", {"steps": ["find the town of Sinner"]}),
            ToolCall("search", {"query": "town"}),
            "San Candido.",
            ToolCall("Verdict", {"answer": "He is from San Candido."}),
        ],
        says="He is from San Candido.",
        redone=1,
        inapplicable={"memory": "its state is of one run: a second one is planned anew"},
    ),
    graph(
        "reflection-essay",
        "LangGraph's tutorial: reflection",
        payload={"input": "Write an essay on otters."},
        play=["Draft of an essay.", "It lacks depth.", "A deep essay.", "Well done!", "The essay."],
        says="The essay.",
    ),
    graph(
        "corrective-rag",
        "LangGraph's tutorial: corrective RAG",
        payload={"question": "Do otters hold hands?"},
        play=[
            ("Otters hold hands", ToolCall("GradeDocuments", {"binary_score": "yes"})),
            ("Badgers dig", ToolCall("GradeDocuments", {"binary_score": "no"})),
            "otters holding hands",
            "Yes, they do.",
        ],
        says="Yes, they do.",
        redone=1,
        inapplicable={"memory": "its state is of one run"},
    ),
    graph(
        "adaptive-rag",
        "LangGraph's tutorial: adaptive RAG",
        payload={"question": "What kinds of memory do agents have?"},
        play=[
            ToolCall("RouteQuery", {"datasource": "vectorstore"}),
            "Some.",
            ToolCall("Grade", {"binary_score": "yes"}),
            ToolCall("Grade", {"binary_score": "no"}),
            "kinds of agent memory",
            "Short-term and long-term.",
            ToolCall("Grade", {"binary_score": "yes"}),
            ToolCall("Grade", {"binary_score": "yes"}),
        ],
        says="Short-term and long-term.",
        redone=2,
        inapplicable={"memory": "its state is of one run"},
    ),
    graph(
        "sql-agent",
        "LangGraph's tutorial: SQL agent",
        payload={"input": "Who made the most albums?"},
        play=[
            ToolCall("sql_db_schema", {"table": "artist"}),
            ToolCall("sql_db_query", {"query": "select name from artist order by albums"}),
            ToolCall("sql_db_query", {"query": "select name from artist order by albums desc"}),
            "Iron Maiden, with 21.",
        ],
        says="Iron Maiden, with 21.",
    ),
    graph(
        "customer-support",
        "LangGraph's tutorial: customer support, static breakpoints",
        payload={"input": "Book me onto LX0113."},
        play=[
            ToolCall("fetch_user_flight_information"),
            ToolCall("update_ticket_to_new_flight", {"ticket": "7240", "flight": "LX0113"}),
            "You fly with LX0113.",
        ],
        says="You fly with LX0113.",
        answers=(True,),
        asks="sensitive_tools",
    ),
    graph(
        "map-reduce-jokes",
        "LangGraph's how-to: map-reduce with `Send`",
        payload={"topic": "animals"},
        play=[
            ToolCall("Subjects", {"subjects": ["otters", "owls", "newts"]}),
            ("joke about otters", "Otter joke."),
            ("joke about owls", "Owl joke."),
            ("joke about newts", "Newt joke."),
            ToolCall("BestJoke", {"id": 1}),
        ],
        says='"best_selected_joke": "Owl joke."',
        inapplicable={"memory": "its state is of one run"},
    ),
    graph(
        "memory-agent",
        "LangGraph's template: memory agent over a store",
        payload={"input": "I am Ada and I like otters."},
        play=[
            ToolCall("upsert_memory", {"content": "likes otters", "context": "said so"}),
            "Noted, Ada.",
        ],
        says="Noted, Ada.",
        keeps=True,
    ),
    graph(
        "react-template",
        "LangGraph's template: ReAct agent, a dataclass as state",
        options={"context": {"system_prompt": "You are terse."}},
        payload={"input": "What is LangGraph?"},
        play=[ToolCall("search", {"query": "LangGraph"}), "A library."],
        says="A library.",
    ),
    graph(
        "data-enrichment",
        "LangGraph's template: data enrichment",
        payload={
            "topic": "Example Inc.",
            "extraction_schema": {
                "type": "object",
                "properties": {"founded": {"type": "integer"}},
                "required": ["founded"],
            },
        },
        play=[
            ToolCall("search", {"query": "Example Inc."}),
            ToolCall("Info", {"founded": 1989}),
            ToolCall(
                "InfoIsSatisfactory",
                {
                    "reason": ["no"],
                    "is_satisfactory": False,
                    "improvement_instructions": "Read it again.",
                },
            ),
            ToolCall("Info", {"founded": 1998}),
            ToolCall("InfoIsSatisfactory", {"reason": ["good"], "is_satisfactory": True}),
        ],
        says="1998",
        speaks=False,
        again={"topic": "Other Inc.", "extraction_schema": {"type": "object", "properties": {}}},
        again_play=[
            ToolCall("Info", {"founded": 2001}),
            ToolCall("InfoIsSatisfactory", {"reason": ["good"], "is_satisfactory": True}),
        ],
        recalls="Example Inc.",
    ),
    graph(
        "hierarchical-teams",
        "LangGraph's tutorial: hierarchical agent teams",
        payload={"input": "Write a short report on agents."},
        play=[
            ToolCall("Router", {"next": "research_team"}),
            ToolCall("Router", {"next": "searcher"}),
            ToolCall("web", {"query": "agents"}),
            "Agents plan.",
            ToolCall("Router", {"next": "FINISH"}),
            ToolCall("Router", {"next": "writing_team"}),
            ToolCall("Router", {"next": "author"}),
            ToolCall("write_document", {"content": "Agents plan."}),
            "The report is written.",
            ToolCall("Router", {"next": "FINISH"}),
            ToolCall("Router", {"next": "FINISH"}),
        ],
        says="The report is written.",
        again={"input": "Write another one, on otters."},
        recalls="Write a short report on agents.",
        redone=3,
    ),
    graph(
        "functional-essay",
        "LangGraph's functional API: tasks and a review",
        payload={"input": "otters"},
        play=[
            "An outline.",
            ("Write the opening", "Otters swim."),
            ("Write the ending", "They dive."),
        ],
        says="Otters swim. They dive.",
        answers=("approved",),
        asks="Please approve or reject.",
        inapplicable={"memory": "it has no state"},
    ),
    graph(
        "rewoo",
        "LangGraph's tutorial: ReWOO",
        payload={"task": "Where is Sinner from?"},
        play=[
            "Plan: look #E1 = Google[Sinner]\nPlan: say #E2 = LLM[Town in #E1?]",
            "San Candido.",
            "He is from San Candido.",
        ],
        says="He is from San Candido.",
        inapplicable={"memory": "its state is of one run"},
    ),
    graph(
        "inbox-assistant",
        "executive-ai-assistant and agent-inbox: mails with a human in the loop",
        payload={
            "email": {"author": "Ada", "subject": "Tuesday", "body": "Is Tuesday fine?"},
        },
        play=[
            ToolCall("Triage", {"response": "email", "reason": "a question"}),
            "Tuesday is fine.",
            "Tuesday at ten is fine.",
        ],
        says="SENT: Tuesday at ten is fine.",
        answers=({"type": "response", "args": "Say at ten."}, {"type": "accept"}),
        asks="action_request",
        again_play=[
            ToolCall("Triage", {"response": "ignore", "reason": "seen"}),
        ],
        again_answers=(),
        inapplicable={"memory": "a mail's state is its own"},
    ),
]

GRAPHS = [*OF_PACKAGES, *WRITTEN_ANEW]
