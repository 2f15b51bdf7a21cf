"""What the OpenAPI document says of endpoints that read their bodies themselves.

They do, because OAuth prescribes how a malformed request is refused, and FastAPI's own validation
would answer 422.
"""

from typing import Any

from pydantic import BaseModel

from oauth.responses import OAuthErrorBody, TokenBody

type Responses = dict[int | str, dict[str, Any]]

_HTML = {"content": {"text/html": {"schema": {"type": "string"}}}}
_REDIRECT = {"description": "Go on there", "headers": {"Location": {"schema": {"type": "string"}}}}

PAGE_RESPONSES: Responses = {
    200: {"description": "A page", **_HTML},
    303: _REDIRECT,
    400: {"description": "A page that says what is wrong", **_HTML},
    403: {"description": "Not sent from our own form", **_HTML},
    413: {"description": "The body is too large", **_HTML},
    429: {"description": "Too many attempts; Retry-After says when to try again", **_HTML},
}

_FAULTS: Responses = {
    500: {"model": OAuthErrorBody, "description": "Something went wrong on our side"},
    503: {"model": OAuthErrorBody, "description": "Try again after the seconds of Retry-After"},
}
_ERRORS: Responses = {
    400: {"model": OAuthErrorBody, "description": "Refused (RFC 6749 §5.2)"},
    401: {"model": OAuthErrorBody, "description": "Unknown client or wrong credentials"},
    413: {"model": OAuthErrorBody, "description": "The body is too large"},
    429: {"model": OAuthErrorBody, "description": "Too many requests from this address"},
    **_FAULTS,
}
TOKEN_RESPONSES: Responses = {
    200: {"model": TokenBody, "description": "The access token"},
    **_ERRORS,
}
REVOKE_RESPONSES: Responses = {
    200: {"description": "Revoked, or unknown, which is the same"},
    **_ERRORS,
}
INTROSPECT_RESPONSES: Responses = {
    200: {"description": "What the token is good for (RFC 7662 §2.2)"},
    **_ERRORS,
}
REGISTER_RESPONSES: Responses = {
    201: {"description": "Registered (RFC 7591 §3.2.1)"},
    400: {"model": OAuthErrorBody, "description": "Refused (RFC 7591 §3.2.2)"},
    413: {"model": OAuthErrorBody, "description": "The body is too large"},
    429: {"model": OAuthErrorBody, "description": "Too many registrations from this address"},
    **_FAULTS,
}
ALIAS_RESPONSES: Responses = {307: {**_REDIRECT, "description": "The endpoint is there"}}


def form_body(**examples: str) -> dict[str, Any]:
    """Return the description of a form, each field with an example."""
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in examples},
        "example": examples,
    }
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """Return the description of a JSON body."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def query_parameters(**descriptions: str) -> dict[str, Any]:
    """Return the description of query parameters, none of which FastAPI checks."""
    return {
        "parameters": [
            {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
            for name, text in descriptions.items()
        ]
    }
