"""What is wrong right now."""
