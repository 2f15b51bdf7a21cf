"""Which hosts we answer for, and which web pages may talk to us (DNS rebinding, CORS)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from hub.settings import Environment, Settings
from mcp_adapter.messages import FORBIDDEN, Answer, Headers, error_answer

_CLAUDE_ORIGINS = ("https://claude.ai", "https://claude.com")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MISDIRECTED_REQUEST = 421
_PREFLIGHT_HEADERS: Headers = (
    ("Access-Control-Allow-Methods", "POST"),
    (
        "Access-Control-Allow-Headers",
        (
            "Accept, Authorization, Content-Type, Last-Event-ID, MCP-Protocol-Version, Mcp-Method,"
            " Mcp-Name, Mcp-Session-Id, traceparent, tracestate"
        ),
    ),
    ("Access-Control-Max-Age", "600"),
)


@dataclass(frozen=True)
class Guard:
    """Checks Host and Origin (streamable HTTP: servers MUST validate Origin)."""

    hosts: frozenset[str]
    origins: frozenset[str]
    loopback_is_ours: bool

    @classmethod
    def of(cls, settings: Settings) -> "Guard":
        """Return the guard of this configuration."""
        own = (settings.api_origin, settings.public_app_origin)
        hosts = {name for origin in own for name in _host_names(origin)}
        return cls(
            hosts=frozenset(hosts | {host.lower() for host in settings.allowed_hosts}),
            origins=frozenset({*own, *settings.allowed_origins, *_CLAUDE_ORIGINS}),
            loopback_is_ours=settings.environment is Environment.DEVELOPMENT,
        )

    def refusal(self, headers: dict[str, str]) -> Answer | None:
        """Return the answer to a request from the wrong place; None when the place is right."""
        if not self._is_our_host(headers.get("host", "").lower()):
            return error_answer(_MISDIRECTED_REQUEST, FORBIDDEN, "This host is not served here.")
        origin = headers.get("origin")
        if origin is not None and not self._may_talk_to_us(origin):
            return error_answer(403, FORBIDDEN, "This origin may not call the connector.")
        return None

    def cors_headers(self, headers: dict[str, str]) -> Headers:
        """Return what lets a page of an allowed origin read the answer."""
        origin = headers.get("origin")
        if origin is None or not self._may_talk_to_us(origin):
            return ()
        return (
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After"),
            ("Vary", "Origin"),
        )

    def _is_our_host(self, host: str) -> bool:
        return host in self.hosts or (self.loopback_is_ours and _is_loopback(f"http://{host}"))

    def _may_talk_to_us(self, origin: str) -> bool:
        return origin in self.origins or (self.loopback_is_ours and _is_loopback(origin))


def preflight() -> Answer:
    """Return the answer to a browser that asks before it posts."""
    return Answer(204, None, _PREFLIGHT_HEADERS)


def _host_names(origin: str) -> set[str]:
    """Return the Host headers of an origin: the default port may be written or left out."""
    parts = urlsplit(origin)
    default = _DEFAULT_PORTS[parts.scheme]
    host = parts.netloc.lower()
    if parts.port in {None, default}:
        bare = host.removesuffix(f":{default}")
        return {bare, f"{bare}:{default}"}
    return {host}


def _is_loopback(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        is_origin = parts.port is None or parts.port > 0  # reading it checks it
    except ValueError:
        return False
    extras = parts.path or parts.query or parts.fragment or parts.username
    return is_origin and not extras and parts.hostname in _LOOPBACK
