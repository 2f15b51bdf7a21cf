"""The foreign endpoints, as their own tests have them."""

from tests.hub.ingest.conftest import app, http, send, tenant

__all__ = ["app", "http", "send", "tenant"]
