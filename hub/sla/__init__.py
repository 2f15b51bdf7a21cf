"""Promised service levels, and what was observed of them."""
