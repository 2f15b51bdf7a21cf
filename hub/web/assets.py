"""Style sheets and scripts; their addresses change with their content, so browsers keep them."""

import os
from pathlib import Path
from typing import override

from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope


class _Immutable(StaticFiles):
    @override
    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def assets(dist: Path) -> ASGIApp:
    """Return the application that serves what Vite built, and the style of the plain pages."""
    files = _Immutable(
        directory=dist / "assets",
        packages=[("hub.web", "static")],
        check_dir=False,  # there is nothing where the pages could not be built
    )
    return GZipMiddleware(files, minimum_size=1024)
