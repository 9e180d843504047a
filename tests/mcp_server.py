"""A server of the Model Context Protocol over its standard streams, as far as the tests need one.

Its tools write to the file that is its first argument; `die` kills its process, `hang` never answers, `count` has a
structured result. While a file of that name and ``.down`` is there, it does not start.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

TOOLS = [
    {
        "name": name,
        "description": name,
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
    }
    for name in ("note", "fail", "die", "hang", "count")
]


def note(what: str) -> None:
    with Path(sys.argv[1]).open("a") as file:
        file.write(f"{what}\n")


def call(params: dict[str, Any]) -> dict[str, Any]:
    name, arguments = params["name"], params.get("arguments") or {}
    key = (params.get("_meta") or {}).get("idempotency-key", "")
    note(f"{name} {arguments.get('text', '')} {key}".strip())
    if name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    text = {"type": "text", "text": f"noted {arguments.get('text', '')}"}
    if name == "count":
        return {"content": [text], "structuredContent": {"result": len(arguments.get("text", ""))}}
    return {"content": [text], "isError": name == "fail"}


def answer(request: dict[str, Any]) -> dict[str, Any] | None:
    method, params = request["method"], request.get("params") or {}
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "notes", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        return call(params)
    return {} if method == "ping" else None


def main() -> None:
    if Path(f"{sys.argv[1]}.down").exists():
        sys.exit(1)
    note(f"begin {os.getpid()}")
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request:
            if request["method"] == "notifications/cancelled":
                note(f"cancelled {request['params']['requestId']}")
            continue
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        result = answer(request)
        if request.get("params", {}).get("name") == "hang":
            continue
        if result is None:
            reply["error"] = {"code": -32601, "message": f"no method {request['method']}"}
        else:
            reply["result"] = result
        print(json.dumps(reply), flush=True)
    note("end")


if __name__ == "__main__":
    main()
