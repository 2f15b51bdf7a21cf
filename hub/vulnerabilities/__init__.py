"""Advisories, and where they hit the fleet."""
