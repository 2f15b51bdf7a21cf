"""A deterministic demo: two tenants, one of them told as a story, and a fleet that lives.

Everything is written through the domain's commands; nothing here knows a table by its columns.
"""
