"""Who is calling: the bearer token, and the challenges of RFC 6750 and RFC 9728."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

from hub.errors import Unauthenticated
from hub.principal import Principal, Scope
from mcp_adapter.messages import INVALID_REQUEST, UNAUTHENTICATED, Answer, error_answer

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_NOT_QUOTABLE = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


class Authenticator(Protocol):
    """Finds out whom a bearer token speaks for."""

    async def authenticate(self, token: str) -> Principal:
        """Return the principal; raise Unauthenticated or Forbidden."""
        ...

    async def turned_away(
        self, reason: str, *, shown: Sequence[str] = (), address: str, request_id: str
    ) -> None:
        """Write down a refusal that came before; `shown` are tokens where none belongs."""
        ...


@dataclass(frozen=True, slots=True)
class Challenge:
    """Writes WWW-Authenticate headers for one address of the connector."""

    resource_metadata: str

    def without_credentials(self) -> Answer:
        """Return the 401 to a caller who showed nothing (RFC 6750 §3.1: no `error` then)."""
        return self._unauthenticated("Sign in to use the monsys connector.", ())

    def invalid_token(self, error: Unauthenticated) -> Answer:
        """Return the 401 to a token that is not, or no longer, good."""
        description = _NOT_QUOTABLE.sub(" ", error.message)
        parameters = (("error", "invalid_token"), ("error_description", description))
        return self._unauthenticated(error.message, parameters)

    def malformed(self, message: str) -> Answer:
        """Return the 400 to credentials that are not shown as they must be."""
        header = self._header((("error", "invalid_request"), ("error_description", message)))
        return error_answer(400, INVALID_REQUEST, message, headers=(header,))

    def insufficient_scope(self, scopes: Collection[Scope]) -> tuple[str, str]:
        """Return the header of a 403 that names every scope the client should ask for."""
        return self._header((("error", "insufficient_scope"),), scopes)

    def _unauthenticated(self, message: str, parameters: tuple[tuple[str, str], ...]) -> Answer:
        return error_answer(401, UNAUTHENTICATED, message, headers=(self._header(parameters),))

    def _header(
        self, parameters: tuple[tuple[str, str], ...], scopes: Collection[Scope] = (Scope.READ,)
    ) -> tuple[str, str]:
        everything = (
            *parameters,
            ("scope", " ".join(scope for scope in Scope if scope in scopes)),
            ("resource_metadata", self.resource_metadata),
        )
        values = ", ".join(f'{name}="{value}"' for name, value in everything)
        return ("WWW-Authenticate", f"Bearer {values}")


def tokens_shown(authorizations: list[str], query_string: bytes) -> list[str]:
    """Return every token that the request shows, wherever it stands."""
    query = parse_qsl(query_string.decode("latin-1"))
    matches = [_BEARER.fullmatch(value) for value in authorizations]
    return [value for name, value in query if name == "access_token"] + [
        match[1] for match in matches if match
    ]


def bearer_token(
    authorizations: list[str], query_string: bytes, challenge: Challenge
) -> str | Answer:
    """Return the token that the request shows, or the answer when it shows none properly."""
    if any(name == "access_token" for name, _ in parse_qsl(query_string.decode("latin-1"))):
        # RFC 6750 §2.3, and the MCP specification: addresses end up in logs.
        return challenge.malformed("A token in the address is not accepted; use the header.")
    if len(authorizations) > 1:
        return challenge.malformed("There is more than one Authorization header.")
    if not authorizations or not authorizations[0].lower().startswith("bearer"):
        return challenge.without_credentials()
    match = _BEARER.fullmatch(authorizations[0])
    if match is None:
        return challenge.malformed("The Authorization header holds no bearer token.")
    return match[1]
