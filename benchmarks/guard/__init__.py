"""What must not become dearer, and what it cost when that was written down: `make bench-check`."""
