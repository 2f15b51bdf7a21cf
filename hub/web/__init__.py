"""The hub's pages for people: a home, and GraphiQL. Their TypeScript lives beside this."""
