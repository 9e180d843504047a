"""Corrective RAG: documents are graded, and a poor harvest sends it to the web."""

from typing import TypedDict

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel

model = ChatOpenAI(model="gpt-4o-mini")
LIBRARY = [
    Document("Otters hold hands while they sleep.", metadata={"source": "otters.txt"}),
    Document("Badgers dig setts.", metadata={"source": "badgers.txt"}),
]


class GradeDocuments(BaseModel):
    """Whether a document is relevant."""

    binary_score: str


class GraphState(TypedDict):
    question: str
    generation: str
    web_search: str
    documents: list[Document]


grader = model.with_structured_output(GradeDocuments, method="function_calling")
rewriter = (
    ChatPromptTemplate.from_template("Rewrite for a web search: {question}")
    | model
    | StrOutputParser()
)
rag = (
    ChatPromptTemplate.from_template("Answer {question} from this: {context}")
    | model
    | StrOutputParser()
)


def retrieve(state: GraphState):
    return {"documents": LIBRARY, "question": state["question"]}


def grade_documents(state: GraphState):
    kept, search = [], "No"
    for document in state["documents"]:
        score = grader.invoke(f"Is {document.page_content!r} relevant to {state['question']!r}?")
        if score.binary_score == "yes":
            kept.append(document)
        else:
            search = "Yes"
    return {"documents": kept, "web_search": search}


def transform_query(state: GraphState):
    return {"question": rewriter.invoke({"question": state["question"]})}


def web_search(state: GraphState):
    found = Document(f"The web says of {state['question']}: otters do.")
    return {"documents": [*state["documents"], found]}


def generate(state: GraphState):
    context = "\n".join(each.page_content for each in state["documents"])
    answer = rag.invoke({"question": state["question"], "context": context})
    return {"generation": answer}


def decide_to_generate(state: GraphState):
    return "transform_query" if state["web_search"] == "Yes" else "generate"


builder = StateGraph(GraphState)
builder.add_node("retrieve", retrieve)
builder.add_node("grade_documents", grade_documents)
builder.add_node("generate", generate)
builder.add_node("transform_query", transform_query)
builder.add_node("web_search_node", web_search)
builder.add_edge(START, "retrieve")
builder.add_edge("retrieve", "grade_documents")
builder.add_conditional_edges(
    "grade_documents", decide_to_generate, ["transform_query", "generate"]
)
builder.add_edge("transform_query", "web_search_node")
builder.add_edge("web_search_node", "generate")
builder.add_edge("generate", END)
graph = builder.compile()
