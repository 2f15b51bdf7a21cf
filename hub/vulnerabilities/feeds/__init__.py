"""Feeds: where advisories come from, and how they are kept up to date."""
