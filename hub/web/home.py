"""The hub's front page: what this is, how things stand, and where to go on."""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from hub.principal import Permission, Principal
from hub.settings import Settings
from hub.web.rendering import language_of, page
from hub.web.visitor import DocumentOf, PrincipalOf


class Home:
    """Answers `GET /`. The same address takes MCP by POST, so only browsers get the page."""

    def __init__(
        self, settings: Settings, principal_of: PrincipalOf, document_of: DocumentOf
    ) -> None:
        self._settings = settings
        self._principal_of = principal_of
        self._document_of = document_of

    async def show(self, request: Request) -> Response:
        """Return the page; 405 to MCP clients that look for an event stream here."""
        accept = request.headers.get("accept", "*/*")
        if "text/html" not in accept and "*/*" not in accept:
            return PlainTextResponse(
                "Send MCP messages with POST.\n",
                HTTPStatus.METHOD_NOT_ALLOWED,
                headers={"Allow": "GET, POST"},
            )
        principal = await self._principal_of(request)
        if principal is None:
            return page("welcome.html", language=language_of(request), **self._links())
        return await self._overview(request, principal)

    async def _overview(self, request: Request, principal: Principal) -> Response:
        viewer = await self._document_of(request, principal, "dashboard_viewer")
        figures = await self._document_of(request, principal, "dashboard_overview")
        return page(
            "overview.html",
            language=language_of(request),
            email=principal.label,
            viewer=(viewer or {}).get("viewer"),
            overview=(figures or {}).get("overview"),
            may_explore=principal.may(Permission.SCHEMA_EXPLORE),
            **self._links(),
        )

    def _links(self) -> dict[str, Any]:
        return {
            "api_origin": self._settings.api_origin,
            "mcp_url": self._settings.resource,
            "sign_in_url": sign_in_url(self._settings, then="/"),
            "sign_up_url": f"{self._settings.public_app_origin}/signup",
        }


def sign_in_url(settings: Settings, *, then: str) -> str:
    """Return where to sign in, to come back to a path of ours."""
    return f"{settings.public_app_origin}/sign-in?next={quote(then, safe='')}"
