"""The reference agent: a separate process on a watched host."""
