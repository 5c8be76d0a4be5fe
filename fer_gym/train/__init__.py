"""`fer-gym train`: one run of one agent, with checkpoints."""
