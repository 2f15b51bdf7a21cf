"""Agents, what they measure and what is installed on them."""
