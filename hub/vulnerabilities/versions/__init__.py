"""Version orders: what each ecosystem calls newer."""
