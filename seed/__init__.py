"""A deterministic demo tenant, written through the domain's own commands."""
