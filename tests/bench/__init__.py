"""Benchmarks: what a call costs, beside FastMCP and beside the floor."""
