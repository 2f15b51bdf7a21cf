"""The GraphiQL page: built by Vite, served as it is, to people who may explore the schema."""

from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hub.principal import Permission
from hub.settings import Settings
from hub.web.home import sign_in_url
from hub.web.rendering import COMMON_HEADERS, language_of, page
from hub.web.visitor import PrincipalOf

_HEADERS = COMMON_HEADERS | {
    # Monaco writes style elements and attributes of its own; scripts come from our files only.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'"
        " 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; connect-src 'self';"
        " form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
}


class GraphiQLPage:
    """Answers `GET /graphiql`."""

    def __init__(self, settings: Settings, principal_of: PrincipalOf, *, dist: Path) -> None:
        self._settings = settings
        self._principal_of = principal_of
        self._built = dist / "graphiql.html"

    async def show(self, request: Request) -> Response:
        """Return the page, or the way to it."""
        principal = await self._principal_of(request)
        if principal is None:
            url = sign_in_url(self._settings, then="/graphiql")
            return RedirectResponse(url, HTTPStatus.SEE_OTHER, headers=COMMON_HEADERS)
        language = language_of(request)
        if not principal.may(Permission.SCHEMA_EXPLORE):
            return page("no_exploring.html", language=language, status=HTTPStatus.FORBIDDEN)
        try:
            text = self._built.read_text("utf-8")
        except OSError:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            return page("not_built.html", language=language, status=status)
        return HTMLResponse(text, headers=_HEADERS)
