"""Destructive actions, which only a person can start: never reachable from the connector."""
