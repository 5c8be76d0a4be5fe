"""Agents for ImageSelect-v0."""
