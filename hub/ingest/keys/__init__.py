"""Ingest keys: with which tools that are no agents of ours send what they know."""
