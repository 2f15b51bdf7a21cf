"""Tests: mcp_adapter."""
