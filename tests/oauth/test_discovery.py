"""Discovery: RFC 8414, RFC 9728, and the places in which clients look."""

import httpx2
import pytest
from fastapi import FastAPI

SERVER_METADATA = {
    "issuer": "https://api.example.com",
    "authorization_endpoint": "https://app.example.com/mcp/oauth/authorize",
    "token_endpoint": "https://api.example.com/mcp/oauth/token",
    "registration_endpoint": "https://api.example.com/mcp/oauth/register",
    "scopes_supported": ["mcp.read", "mcp.acknowledge"],
    "response_types_supported": ["code"],
    "code_challenge_methods_supported": ["S256"],
    "response_modes_supported": ["query"],
    "grant_types_supported": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
    "revocation_endpoint": "https://api.example.com/mcp/oauth/revoke",
    "revocation_endpoint_auth_methods_supported": [
        "none",
        "client_secret_post",
        "client_secret_basic",
    ],
    "introspection_endpoint": "https://api.example.com/mcp/oauth/introspect",
    "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    "authorization_response_iss_parameter_supported": True,
    "client_id_metadata_document_supported": True,
    "service_documentation": "https://docs.monsys.ai/en/hub/claude-connector",
}


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
    ],
)
async def test_server_metadata_is_wherever_clients_probe(
    path: str, api: httpx2.AsyncClient
) -> None:
    """RFC 8414 §3."""
    response = await api.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.json() == SERVER_METADATA


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/openid-configuration",
    ],
)
async def test_readers_of_openid_connect_find_what_they_demand_and_no_promise_in_it(
    path: str, api: httpx2.AsyncClient
) -> None:
    """OpenID Connect Discovery 1.0 §3: the members are there; no key, no ID token, no `openid`."""
    response = await api.get(path)
    assert response.json() == SERVER_METADATA | {
        "jwks_uri": "https://api.example.com/.well-known/jwks.json",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [],
    }
    keys = await api.get("/.well-known/jwks.json")
    assert (keys.status_code, keys.json()) == (200, {"keys": []})


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/.well-known/oauth-protected-resource", "https://api.example.com"),
        ("/.well-known/oauth-protected-resource/mcp", "https://api.example.com/mcp"),
    ],
)
async def test_resource_metadata_names_the_url_that_was_asked_about(
    path: str, resource: str, api: httpx2.AsyncClient
) -> None:
    """RFC 9728 §3.3: `resource` must be identical to what the client connects to."""
    response = await api.get(path)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.json() == {
        "resource": resource,
        "authorization_servers": ["https://api.example.com"],
        "scopes_supported": ["mcp.read", "mcp.acknowledge"],
        "bearer_methods_supported": ["header"],
        "resource_name": "monsys hub",
        "resource_documentation": "https://docs.monsys.ai/en/hub/claude-connector",
    }


async def test_pages_of_other_origins_may_ask_before_they_call(api: httpx2.AsyncClient) -> None:
    response = await api.options("/mcp/oauth/token")
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers


async def test_old_clients_are_sent_from_the_root_to_the_endpoint(api: httpx2.AsyncClient) -> None:
    """MCP 2025-03-26, "Fallbacks for Servers without Metadata Discovery"."""
    response = await api.get("/authorize?client_id=a&state=b%20c")
    assert response.status_code == 307
    assert response.headers["location"] == (
        "https://app.example.com/mcp/oauth/authorize?client_id=a&state=b%20c"
    )


def test_every_endpoint_is_in_the_openapi_document(app: FastAPI) -> None:
    document = app.openapi()
    paths = document["paths"]
    assert {"/mcp/oauth/token", "/token", "/mcp/oauth/register", "/register"} <= paths.keys()
    assert sorted(paths["/mcp/oauth/token"]["post"]["responses"]) == [
        "200",
        "400",
        "401",
        "413",
        "429",
        "500",
        "503",
    ]
