"""Agents for RegTune-v0: schedules, and searches for schedules."""
