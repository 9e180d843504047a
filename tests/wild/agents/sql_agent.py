"""A SQL agent: tables, schema, a query that is checked, its result."""

import sqlite3
from typing import Annotated, TypedDict

from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode

model = ChatOpenAI(model="gpt-4o")


def connect() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    database.executescript(
        "create table artist (id integer, name text, albums integer);"
        "insert into artist values (1, 'Iron Maiden', 21), (2, 'Led Zeppelin', 14);"
    )
    return database


@tool
def sql_db_list_tables() -> str:
    """List the tables."""
    database = connect()
    rows = database.execute("select name from sqlite_master where type = 'table'").fetchall()
    database.close()
    return ", ".join(name for (name,) in rows)


@tool
def sql_db_schema(table: str) -> str:
    """Show how a table was created."""
    database = connect()
    row = database.execute("select sql from sqlite_master where name = ?", [table]).fetchone()
    database.close()
    return row[0]


@tool
def sql_db_query(query: str) -> str:
    """Run a query."""
    database = connect()
    try:
        return str(database.execute(query).fetchall())
    except sqlite3.Error as error:
        return f"Error: {error}"
    finally:
        database.close()


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def list_tables(state: State):
    call = {"name": "sql_db_list_tables", "args": {}, "id": "tables", "type": "tool_call"}
    found = sql_db_list_tables.invoke(call)
    return {"messages": [AIMessage("", tool_calls=[call]), found]}


async def call_get_schema(state: State):
    bound = model.bind_tools([sql_db_schema], tool_choice="any")
    return {"messages": [await bound.ainvoke(state["messages"])]}


async def generate_query(state: State):
    system = {"role": "system", "content": "You write SQLite queries."}
    bound = model.bind_tools([sql_db_query])
    return {"messages": [await bound.ainvoke([system, *state["messages"]])]}


async def check_query(state: State):
    system = {"role": "system", "content": "You check SQLite queries, and run them."}
    query = state["messages"][-1].tool_calls[0]["args"]["query"]
    bound = model.bind_tools([sql_db_query], tool_choice="any")
    checked = await bound.ainvoke([system, {"role": "user", "content": query}])
    checked.id = state["messages"][-1].id
    return {"messages": [checked]}


def should_continue(state: State):
    return "check_query" if state["messages"][-1].tool_calls else END


builder = StateGraph(State)
builder.add_node(list_tables)
builder.add_node(call_get_schema)
builder.add_node("get_schema", ToolNode([sql_db_schema]))
builder.add_node(generate_query)
builder.add_node(check_query)
builder.add_node("run_query", ToolNode([sql_db_query]))
builder.add_edge(START, "list_tables")
builder.add_edge("list_tables", "call_get_schema")
builder.add_edge("call_get_schema", "get_schema")
builder.add_edge("get_schema", "generate_query")
builder.add_conditional_edges("generate_query", should_continue, ["check_query", END])
builder.add_edge("check_query", "run_query")
builder.add_edge("run_query", "generate_query")
graph = builder.compile()
