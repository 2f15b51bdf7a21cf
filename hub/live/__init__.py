"""Live updates: what changed, told to whoever watches, tenant by tenant."""
