"""What is compared: arms, tasks, suites, and the papers' tables."""
