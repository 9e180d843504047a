#!/bin/bash
# LangGraph's InMemoryStore: `created_at` of an item, the time of its creation, is the time of the last `put`, and so is
# always `updated_at`; and a namespace whose last item was deleted is still listed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check langgraph-checkpoint==4.3.2

cat > look.py <<'PYTHON'
from importlib.metadata import version

from langgraph.store.memory import InMemoryStore

store = InMemoryStore()
store.put(("notes", "ann"), "k", {"n": 1})
created = store.get(("notes", "ann"), "k").created_at
store.put(("notes", "ann"), "k", {"n": 2})
stays = store.get(("notes", "ann"), "k").created_at == created
store.delete(("notes", "ann"), "k")
print("langgraph-checkpoint", version("langgraph-checkpoint"))
print("expected: created_at stays: True, namespaces without an item: []")
print(f"seen:     created_at stays: {stays}, namespaces without an item: {store.list_namespaces()}")
raise SystemExit(0 if not stays and store.list_namespaces() == [("notes", "ann")] else 1)
PYTHON
venv/bin/python look.py
