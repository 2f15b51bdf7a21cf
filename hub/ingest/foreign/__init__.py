"""What other tools send in their own formats, translated into the hub's terms."""
