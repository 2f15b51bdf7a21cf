"""The Trust Score, and why it is what it is."""
