"""The authorization server, and the bearer check of the resource server."""
