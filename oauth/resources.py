"""Resource indicators (RFC 8707), which Authlib lacks: our tokens are good for this hub only."""

from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import BaseGrant

from oauth.errors import InvalidTargetError

_PATHS = frozenset({"", "/", "/mcp", "/mcp/"})


class ResourceIndicator:
    """Checks `resource` at both endpoints. What is left out means this hub."""

    def __init__(self, api_origin: str) -> None:
        self._api_origin = api_origin

    def __call__(self, grant: BaseGrant) -> None:
        """Register with a grant."""
        grant.register_hook("after_validate_authorization_request_payload", self._check)
        grant.register_hook("after_validate_token_request", self._check)

    def _check(self, grant: BaseGrant, _result: object) -> None:
        for resource in grant.request.payload.datalist.get("resource", []):
            if not is_our_resource(resource, api_origin=self._api_origin):
                raise InvalidTargetError


def is_our_resource(resource: str, *, api_origin: str) -> bool:
    """Tell whether a client means this hub's MCP server.

    People paste the bare origin or the endpoint, with and without a slash, and clients send on what
    was pasted; scheme and host are compared without regard to case (RFC 3986 §6.2.2.1).
    """
    try:
        parts = urlsplit(resource)
    except ValueError:
        return False
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    has_more = bool(parts.query or parts.fragment) or resource.endswith(("?", "#"))
    return origin == api_origin and parts.path in _PATHS and not has_more
