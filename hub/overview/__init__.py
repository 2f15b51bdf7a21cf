"""The overview: the whole tenant in a few figures."""
