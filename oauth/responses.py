"""Answers of the OAuth endpoints that are not pages."""

from typing import Any

import orjson
from authlib.oauth2 import OAuth2Error
from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

# These endpoints take no cookies, so any page may call them from a browser.
CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, MCP-Protocol-Version",
    "Access-Control-Expose-Headers": "WWW-Authenticate, Retry-After, X-Request-Id",
    "Access-Control-Max-Age": "600",
}


class OAuthErrorBody(BaseModel):
    """A refusal (RFC 6749 §5.2)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"error": "invalid_grant", "error_description": "The code has expired."}]
        }
    )

    error: str = Field(description="The error's registered name.")
    error_description: str = Field("", description="What is wrong and what to do.")
    request_id: str = Field("", description="Quote it: the operator traces the refusal by it.")


class TokenBody(BaseModel):
    """An access token (RFC 6749 §5.1)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "access_token": "mat_…",
                    "token_type": "Bearer",
                    "expires_in": 3600,
                    "scope": "mcp.read",
                }
            ]
        }
    )

    access_token: str
    token_type: str
    expires_in: int = Field(description="Seconds.")
    scope: str = Field(description="What the person allowed, which may be less than asked for.")
    refresh_token: str = Field("", description="Where the organisation lets apps stay connected.")


def see_other(location: str) -> Response:
    """Send the browser on with a GET, whatever it sent here."""
    return Response(status_code=303, headers={"Location": location, "Cache-Control": "no-store"})


def json_response(
    status: int, body: dict[str, Any] | str, headers: list[tuple[str, str]] | None = None
) -> Response:
    """Return JSON that nothing on the way may keep."""
    fields = {"Cache-Control": "no-store", **dict(headers or []), **CORS_HEADERS}
    fields.setdefault("Content-Type", "application/json")
    return Response(orjson.dumps(body), status, headers=fields)


def error_response(error: OAuth2Error, *, request_id: str | None) -> Response:
    """Return a refusal that was found before the authorization server was asked."""
    status, body, headers = error()
    return json_response(status, traceable(body, request_id), headers)


def traceable(body: dict[str, Any], request_id: str | None) -> dict[str, Any]:
    """Return the refusal with what an operator traces it by (RFC 6749 §8.2 allows it)."""
    return body | {"request_id": request_id} if request_id else body
