"""Operation files become MCP tools: scope check, execution, audit; nothing else."""
