"""Discovery documents: of the authorization server (RFC 8414) and of the resource (RFC 9728)."""

from typing import Any

from hub.settings import Settings
from oauth.scopes import SUPPORTED_SCOPES

AUTHORIZE_PATH = "/mcp/oauth/authorize"
TOKEN_PATH = "/mcp/oauth/token"  # noqa: S105 - a path
REGISTER_PATH = "/mcp/oauth/register"
REVOKE_PATH = "/mcp/oauth/revoke"
DOCUMENTATION = "https://docs.monsys.ai/en/hub/claude-connector"


def authorization_server_metadata(settings: Settings) -> dict[str, Any]:
    """Return what clients discover; the first seven fields are those of our documentation."""
    auth_methods = ["none", "client_secret_post", "client_secret_basic"]
    return {
        "issuer": settings.api_origin,
        "authorization_endpoint": settings.public_app_origin + AUTHORIZE_PATH,
        "token_endpoint": settings.api_origin + TOKEN_PATH,
        "registration_endpoint": settings.api_origin + REGISTER_PATH,
        "scopes_supported": list(SUPPORTED_SCOPES),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "token_endpoint_auth_methods_supported": auth_methods,
        "revocation_endpoint": settings.api_origin + REVOKE_PATH,
        "revocation_endpoint_auth_methods_supported": auth_methods,
        "authorization_response_iss_parameter_supported": True,
        "service_documentation": DOCUMENTATION,
    }


def protected_resource_metadata(settings: Settings, resource: str) -> dict[str, Any]:
    """Return what the resource says of itself; `resource` is the URL that the client uses."""
    return {
        "resource": resource,
        "authorization_servers": [settings.api_origin],
        "scopes_supported": list(SUPPORTED_SCOPES),
        "bearer_methods_supported": ["header"],
        "resource_name": "monsys hub",
        "resource_documentation": DOCUMENTATION,
    }
