"""Tasks, suites and the runner that compares agents on them. It knows agents by name only."""
