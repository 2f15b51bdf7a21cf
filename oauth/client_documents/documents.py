"""From what a host answered to a client, or to the reason why it is none."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from oauth.client_documents.errors import DocumentRefusedError, DocumentUnavailableError
from oauth.client_documents.fetcher import Fetched
from oauth.models import OAuthClient
from oauth.names import visible
from oauth.redirects import fault_of
from oauth.scopes import supported_only

_OK = 200
_GONE = frozenset({404, 410})
_JSON = "application/json"
_Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)]


class _Document(BaseModel):
    """What a client says of itself to every server; members that are not named here are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)

    client_id: str
    client_name: Annotated[_Text, Field(min_length=1)]
    redirect_uris: list[str] = Field(min_length=1, max_length=50)
    token_endpoint_auth_method: str = "none"  # noqa: S105 - none at all
    grant_types: list[str] = ["authorization_code"]
    response_types: list[str] = ["code"]
    scope: Annotated[str, StringConstraints(max_length=1000)] = ""
    application_type: str = "web"


def client_of(url: str, fetched: Fetched) -> OAuthClient:
    """Return the client that the answer describes; DocumentError when it describes none."""
    _check_answer(fetched)
    data = _json_object(fetched.body)
    if "client_secret" in data or "client_secret_expires_at" in data:
        raise DocumentRefusedError("the document contains a secret")
    try:
        document = _Document.model_validate(data)
    except ValidationError as error:
        field = str(error.errors(include_input=False, include_url=False)[0]["loc"][0])
        raise DocumentRefusedError(f"`{field}` is missing or malformed in it") from error
    if document.client_id != url:
        raise DocumentRefusedError("the document names another client id than its address")
    if document.token_endpoint_auth_method != "none":  # noqa: S105
        # A document is public, so a shared secret is none; we check no signatures of clients.
        raise DocumentRefusedError("it asks for a token_endpoint_auth_method other than none")
    if "authorization_code" not in document.grant_types or "code" not in document.response_types:
        raise DocumentRefusedError("it does not use the authorization code grant")
    return _client(document)


def _check_answer(fetched: Fetched) -> None:
    """Take 200 only: no redirect is followed, and an error page is not what the client says."""
    if fetched.status in _GONE:
        raise DocumentRefusedError("there is no document at its address")
    if fetched.status != _OK:
        raise DocumentUnavailableError("its host does not answer with a document")
    media_type = fetched.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = media_type == _JSON or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )
    if not is_json:
        raise DocumentUnavailableError("its host does not answer with JSON")


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise DocumentRefusedError("the document is not JSON") from error
    if not isinstance(data, dict):
        raise DocumentRefusedError("the document is not a JSON object")
    return data


def _client(document: _Document) -> OAuthClient:
    """Keep what we support: one document serves many servers, and may offer more."""
    redirects = [uri for uri in document.redirect_uris if not fault_of(uri)]
    if not redirects:
        raise DocumentRefusedError("none of its redirect_uris can be used")
    return OAuthClient(
        client_id=document.client_id,
        client_name=visible(document.client_name),
        redirect_uris=redirects,
        grant_types=["authorization_code"],
        response_types=["code"],
        scope=supported_only(document.scope),
        token_endpoint_auth_method="none",  # noqa: S106 - none at all
        client_metadata={"application_type": document.application_type[:32]},
    )
