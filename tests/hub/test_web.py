"""The pages for people: the home, GraphiQL, and what they load."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from hub.principal import Principal, Role
from hub.settings import Settings
from hub.tenancy.models import Tenant
from hub.web.routes import web_routes
from tests.factories import person

API, APP = "https://api.example.com", "https://app.example.com"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
COUNTS = {"critical": 1, "high": 0, "medium": 2, "low": 0, "info": 0, "total": 3}
DOCUMENTS: dict[str, Mapping[str, Any]] = {
    "dashboard_viewer": {"viewer": {"tenant": "<b>Acme</b>", "role": "operator"}},
    "dashboard_overview": {
        "overview": {
            "asOf": "2026-11-03T08:00:00+00:00",
            "trustScore": {"total": 78.4, "deltaDay": -2.5, "deltaWeek": None},
            "openAlerts": COUNTS,
            "openDetections": {**dict.fromkeys(COUNTS, 0)},
            "slaTargets": {"met": 4, "atRisk": 1, "breached": 0, "unknown": 0},
            "agents": {"online": 22, "offline": 2},
        }
    },
}


@asynccontextmanager
async def visited_by(
    principal: Principal | None,
    *,
    dist: Path = Path("nowhere"),
    documents: Mapping[str, Mapping[str, Any]] = DOCUMENTS,
) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve the pages to this person; to nobody when there is none."""

    async def principal_of(_request: Request) -> Principal | None:
        return principal

    async def document_of(
        _request: Request, _principal: Principal, name: str
    ) -> Mapping[str, Any] | None:
        return documents.get(name)

    settings = Settings(api_origin=API, app_origin=APP, _env_file=None)
    routes = web_routes(settings, principal_of=principal_of, document_of=document_of, dist=dist)
    transport = httpx2.ASGITransport(Starlette(routes=routes))
    async with httpx2.AsyncClient(transport=transport, base_url=API, headers=BROWSER) as http:
        yield http


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Return a folder as Vite leaves it."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "graphiql.html").write_text("<title>GraphiQL</title>", "utf-8")
    (tmp_path / "assets" / "graphiql-abc123.js").write_text("run();", "utf-8")
    return tmp_path


async def test_the_home_tells_a_stranger_what_this_is_and_how_to_connect() -> None:
    async with visited_by(None) as http:
        response = await http.get("/")
    assert response.status_code == 200
    assert f"claude mcp add --transport http monsys {API}/mcp" in response.text
    assert f'href="{APP}/sign-in?next=%2F"' in response.text
    assert "Sign out" not in response.text


async def test_the_home_shows_a_person_how_things_stand(tenant: Tenant) -> None:
    async with visited_by(person(tenant)) as http:
        response = await http.get("/")
    text = " ".join(response.text.split())
    assert "operator@example.com · &lt;b&gt;Acme&lt;/b&gt;, operator" in text
    assert '78<small> of 100</small></p> <p class="note"><span class="bad">-2.5 since' in text
    assert '<li class="critical">1 critical</li> <li class="medium">2 medium</li> </ul>' in text
    assert '<p class="figure">22</p> <ul class="chips"><li class="high">2 offline</li></ul>' in text
    assert 'action="/sign-out"' in text
    assert 'href="/graphiql"' in text


async def test_the_home_stands_without_figures(tenant: Tenant) -> None:
    async with visited_by(person(tenant, role=Role.VIEWER), documents={}) as http:
        response = await http.get("/")
    assert response.status_code == 200
    assert "The figures cannot be shown right now." in response.text
    assert 'href="/graphiql"' not in response.text


async def test_a_client_that_wants_an_event_stream_is_told_to_post() -> None:
    async with visited_by(None) as http:
        response = await http.get("/", headers={"Accept": "text/event-stream"})
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("path", ["/", "/graphiql"])
async def test_pages_run_no_foreign_script_and_stand_in_no_frame(
    tenant: Tenant, built: Path, path: str
) -> None:
    async with visited_by(person(tenant), dist=built) as http:
        response = await http.get(path)
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy or "script-src" not in policy
    assert "<script" not in response.text
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_graphiql_sends_a_stranger_to_sign_in_and_back(built: Path) -> None:
    async with visited_by(None, dist=built) as http:
        response = await http.get("/graphiql")
    assert response.status_code == 303
    assert response.headers["location"] == f"{APP}/sign-in?next=%2Fgraphiql"


@pytest.mark.parametrize(("role", "status"), [(Role.ANALYST, 200), (Role.VIEWER, 403)])
async def test_graphiql_is_for_those_who_may_explore(
    tenant: Tenant, built: Path, role: Role, status: int
) -> None:
    async with visited_by(person(tenant, role=role), dist=built) as http:
        response = await http.get("/graphiql")
    assert response.status_code == status
    assert ("<title>GraphiQL</title>" in response.text) is (status == 200)


async def test_graphiql_says_how_to_build_it_where_it_is_not_built(tenant: Tenant) -> None:
    async with visited_by(person(tenant)) as http:
        response = await http.get("/graphiql")
    assert response.status_code == 503
    assert "uv sync --reinstall-package monsys-hub" in response.text


async def test_assets_are_kept_by_browsers(built: Path) -> None:
    async with visited_by(None, dist=built) as http:
        responses = [
            await http.get(path) for path in ("/assets/graphiql-abc123.js", "/assets/home.css")
        ]
    assert [response.status_code for response in responses] == [200, 200]
    for response in responses:
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["nothing.js", "../graphiql.html", "%2e%2e/graphiql.html", ""])
async def test_no_other_file_is_served(built: Path, path: str) -> None:
    async with visited_by(None, dist=built) as http:
        response = await http.get(f"/assets/{path}")
    assert response.status_code == 404
