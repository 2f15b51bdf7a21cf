"""The web's routes: the home, GraphiQL, and what both load."""

from pathlib import Path

from starlette.routing import BaseRoute, Mount, Route

from hub.settings import Settings
from hub.web.assets import assets
from hub.web.documentation import ConnectorGuide, Egress
from hub.web.graphiql import GraphiQLPage
from hub.web.home import Home
from hub.web.visitor import DocumentOf, PrincipalOf

DIST = Path(__file__).parent / "dist"


def web_routes(
    settings: Settings,
    *,
    principal_of: PrincipalOf,
    document_of: DocumentOf,
    egress: Egress | None = None,
    dist: Path = DIST,
) -> list[BaseRoute]:
    """Return the routes; who is signed in and what documents answer comes from the layers above."""
    guide = ConnectorGuide(settings, egress or {})
    home = Home(settings, principal_of, document_of)
    graphiql = GraphiQLPage(settings, principal_of, dist=dist)
    return [
        Route("/", home.show, methods=["GET"], name="home"),
        Route("/graphiql", graphiql.show, methods=["GET"], name="graphiql"),
        Route("/docs/claude-connector", guide.show, methods=["GET"], name="connector-guide"),
        Mount("/assets", assets(dist), name="assets"),
    ]
