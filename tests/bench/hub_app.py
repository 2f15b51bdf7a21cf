"""The hub, from its settings, as it is served in production."""

from fastapi import FastAPI

from hub.app import create_app
from hub.settings import Settings


def create() -> FastAPI:
    """Return the application."""
    return create_app(Settings())
