"""Real systems under fire: `make test-fire` runs each scenario and writes the table in docs/fire.md."""
