"""Takes what is posted to the connector before the application looks for a route.

A route among forty is found by trying them, inside six layers of middleware; for the one request
that matters most that is a sixth of what it costs. Everything else goes on to the routes, where
the same transports are mounted for the other methods.
"""

from collections.abc import Mapping
from typing import override

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.request_id import RequestIdMiddleware


class FirstDoor(FastAPI):
    """An application with a way past its own middleware: what stands there brings its own."""

    posted: Mapping[str, ASGIApp]  # by path

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a POST to one of the addresses; leave the rest to the application."""
        # Under a prefix the path says something else; the routes know how to read it.
        if scope.get("method") == "POST" and not (self.root_path or scope.get("root_path")):
            app = self.posted.get(scope["path"])
            if app is not None:
                await app(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    @override
    def build_middleware_stack(self) -> ASGIApp:
        """Give faults their request id, too: Starlette answers them outside of all middleware."""
        return RequestIdMiddleware(super().build_middleware_stack())
