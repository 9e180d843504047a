"""Public agents on Civitas, unchanged: `make test-wild` runs each and writes the table in docs/wild.md."""
