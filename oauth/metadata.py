"""Discovery documents: of the authorization server (RFC 8414) and of the resource (RFC 9728)."""

from typing import Any

from hub.settings import Settings
from oauth.scopes import SUPPORTED_SCOPES

AUTHORIZE_PATH = "/mcp/oauth/authorize"
TOKEN_PATH = "/mcp/oauth/token"  # noqa: S105 - a path
REGISTER_PATH = "/mcp/oauth/register"
REVOKE_PATH = "/mcp/oauth/revoke"
INTROSPECT_PATH = "/mcp/oauth/introspect"
JWKS_PATH = "/.well-known/jwks.json"
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
        # Refresh tokens are given where the tenant lets connections last; no scope asks for them.
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": auth_methods,
        "revocation_endpoint": settings.api_origin + REVOKE_PATH,
        "revocation_endpoint_auth_methods_supported": auth_methods,
        "introspection_endpoint": settings.api_origin + INTROSPECT_PATH,
        "introspection_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
        ],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
        "service_documentation": DOCUMENTATION,
    }


def openid_metadata(settings: Settings) -> dict[str, Any]:
    """Return the same where OpenID Connect looks, so that its strict readers can read it.

    Discovery 1.0 §3 requires three members more. They say the truth: there are no signing keys and
    no ID tokens, and `openid` is not among the scopes. Who needs an identity learns so from here.
    """
    return authorization_server_metadata(settings) | {
        "jwks_uri": settings.api_origin + JWKS_PATH,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [],
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
