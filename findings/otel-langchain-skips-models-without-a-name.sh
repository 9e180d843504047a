#!/bin/bash
# opentelemetry-instrumentation-genai-langchain makes a span for the call of a chat model. For a model of one's own that
# names no model in its parameters it makes none, and says nothing of it: no span, no duration, no tokens.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opentelemetry-instrumentation-genai-langchain==1.3b0 \
    opentelemetry-sdk==1.45.2 langchain==1.5.2 langchain-core==1.8.3

cat > "$folder/seen.py" <<'PYTHON'
import sys
from importlib.metadata import version

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from opentelemetry import trace
from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class InHouse(BaseChatModel):
    """A model behind a gateway of one's own, which serves one model only."""

    @property
    def _llm_type(self):
        return "in-house"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        used = {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}
        return ChatResult(generations=[ChatGeneration(message=AIMessage("hi", usage_metadata=used))])


class Named(InHouse):
    """The same, with a name among its parameters."""

    @property
    def _identifying_params(self):
        return {"model_name": "in-house-1"}


exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
LangChainInstrumentor().instrument()

seen = []
for model in (Named(), InHouse()):
    exporter.clear()
    model.invoke("hello")
    seen.append([span.name for span in exporter.get_finished_spans()])

print("opentelemetry-instrumentation-genai-langchain", version("opentelemetry-instrumentation-genai-langchain"))
print("expected: a chat span for each call, whatever the model says of itself")
print("seen with a name:", seen[0])
print("seen without one:", seen[1])
sys.exit(seen != [["chat in-house-1"], []])
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
