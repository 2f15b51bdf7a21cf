"""Clients that are a document on the web (draft-ietf-oauth-client-id-metadata-document)."""
