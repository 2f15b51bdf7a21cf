"""Alembic migrations; row-level security lives here."""
