"""Clients known from here, for hubs that cannot reach the web or are turned away by its edge.

Facts as published by their owner; what the web says is preferred whenever it can be read.
"""

from oauth.models import OAuthClient

CLAUDE = "https://claude.ai/oauth/mcp-oauth-client-metadata"
CLAUDE_CODE = "https://claude.ai/oauth/claude-code-client-metadata"

_PINNED = {
    CLAUDE: (
        "Claude",
        (
            "https://claude.ai/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback",
        ),
    ),
    CLAUDE_CODE: (
        "Claude Code",
        ("http://localhost/callback", "http://127.0.0.1/callback"),  # on any port
    ),
}
# Whose redirects lead to; nobody else answers there.
PINNED_HOSTS = frozenset({"claude.ai", "claude.com"})


def pinned_client(client_id: str) -> OAuthClient | None:
    """Return the client whose document we know by heart."""
    if client_id not in _PINNED:
        return None
    name, redirects = _PINNED[client_id]
    return OAuthClient(
        client_id=client_id,
        client_name=name,
        redirect_uris=list(redirects),
        grant_types=["authorization_code"],
        response_types=["code"],
        token_endpoint_auth_method="none",  # noqa: S106 - none at all
    )
