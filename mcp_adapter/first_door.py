"""Takes what is posted to the connector before the application looks for a route.

A route among forty is found by trying them, inside two more layers of middleware; for the one
request that matters most that is a tenth of what it costs. Everything else goes on to the routes,
where the same transports are mounted for the other methods.
"""

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send


class FirstDoor:
    """Middleware: the innermost one of the application's own."""

    def __init__(self, app: ASGIApp, *, posted: Mapping[str, ASGIApp]) -> None:
        self._app = app
        self._posted = posted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a POST to one of the addresses; leave the rest to the application."""
        app = self._app
        # Under a prefix the path says something else; the routes know how to read it.
        if scope.get("method") == "POST" and not scope.get("root_path"):
            app = self._posted.get(scope["path"], app)
        await app(scope, receive, send)
