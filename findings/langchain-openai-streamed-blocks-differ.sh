#!/bin/bash
# langchain-openai over the responses API: the same answer has other content blocks when it is streamed. A call of a tool
# loses its `status` and keeps the `index` that was there to put the pieces together, so messages of a checkpoint or a
# cache differ with whether somebody watched the run.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check langchain-openai==1.7.4 langchain-core==1.8.3 openai==3.57.0

cat > look.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

from langchain_openai import ChatOpenAI

CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{}", "status": "completed"}
WHOLE = {
    "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "output": [CALL],
    "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
    "usage": {
        "input_tokens": 1, "output_tokens": 1, "total_tokens": 2,
        "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
    },
}
EVENTS = [
    {"type": "response.created", "response": WHOLE | {"status": "in_progress", "output": []}},
    {"type": "response.output_item.added", "output_index": 0, "item": CALL | {"arguments": "", "status": "in_progress"}},
    {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": 0, "delta": "{}"},
    {"type": "response.function_call_arguments.done", "item_id": "fc_1", "output_index": 0, "arguments": "{}", "name": "look"},
    {"type": "response.output_item.done", "output_index": 0, "item": CALL},
    {"type": "response.completed", "response": WHOLE},
]


class Provider(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        data, kind = json.dumps(WHOLE), "application/json"
        if body.get("stream"):
            lines = ({"sequence_number": at, **event} for at, event in enumerate(EVENTS))
            data = "".join(f"event: {line['type']}\ndata: {json.dumps(line)}\n\n" for line in lines)
            kind = "text/event-stream"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data.encode())

    def log_message(self, *args):
        pass


server = HTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()
model = ChatOpenAI(
    model="m", api_key="x", use_responses_api=True, base_url=f"http://127.0.0.1:{server.server_port}/v1"
)
whole = model.invoke("hi").content
chunks = list(model.stream("hi"))
streamed = chunks[0]
for chunk in chunks[1:]:
    streamed += chunk
server.shutdown()
print("langchain-openai", version("langchain-openai"))
print("expected: the same blocks, as the answer is the same")
print("invoke:  ", whole)
print("stream:  ", streamed.content)
same = {"status" in whole[0], "index" not in whole[0], "index" in streamed.content[0], "status" not in streamed.content[0]}
raise SystemExit(0 if same == {True} else 1)
PYTHON
venv/bin/python look.py
