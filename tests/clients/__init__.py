"""Tests: real MCP clients against the running hub."""
