"""The typed GraphQL layer: the one way to read for dashboard, GraphiQL and Claude."""
