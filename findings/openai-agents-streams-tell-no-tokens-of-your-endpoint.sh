#!/bin/bash
# OpenAI Agents SDK 0.24: an agent on an endpoint of one's own, by OpenAIChatCompletionsModel, is told its tokens by `run` and
# has none of them after `run_streamed`, although the endpoint would send them: the SDK asks for them in a stream
# (`stream_options`) only where the address is OpenAI's, or `ModelSettings(include_usage=True)` is set. Whoever adds up usage
# counts every streamed run as free.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openai-agents==0.24.0

cat > look.py <<'PYTHON'
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from openai import AsyncOpenAI

set_tracing_disabled(True)
USAGE = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}


class Endpoint(BaseHTTPRequestHandler):
    """Chat completions: the usage stands in every answer, and in a stream if that is asked for."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        base = {"id": "c", "created": 1, "model": "m"}
        if not body.get("stream"):
            message = {"role": "assistant", "content": "hi"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            answer = {**base, "object": "chat.completion", "choices": [choice], "usage": USAGE}
            return self.say("application/json", json.dumps(answer))
        chunk = {**base, "object": "chat.completion.chunk"}
        delta = {"role": "assistant", "content": "hi"}
        said = [{**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]}]
        if (body.get("stream_options") or {}).get("include_usage"):
            said.append({**chunk, "choices": [], "usage": USAGE})
        self.say("text/event-stream", "".join(f"data: {json.dumps(each)}\n\n" for each in said) + "data: [DONE]\n\n")

    def say(self, kind, text):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


async def tokens(port, streams, **settings):
    client = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")
    model = OpenAIChatCompletionsModel("m", client)
    agent = Agent(name="clerk", model=model, model_settings=ModelSettings(**settings))
    if streams:
        result = Runner.run_streamed(agent, "hello")
        async for _ in result.stream_events():
            pass
    else:
        result = await Runner.run(agent, "hello")
    await client.close()
    return result.context_wrapper.usage.total_tokens


server = HTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]
run = asyncio.run(tokens(port, streams=False))
streamed = asyncio.run(tokens(port, streams=True))
asked = asyncio.run(tokens(port, streams=True, include_usage=True))
server.shutdown()
print("openai-agents", version("openai-agents"))
print("expected: 10 tokens in each")
print(f"seen:     {run} with run, {streamed} with run_streamed, {asked} with run_streamed and include_usage=True")
raise SystemExit(0 if (run, streamed, asked) == (10, 0, 10) else 1)
PYTHON
venv/bin/python look.py
