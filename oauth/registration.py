"""Dynamic client registration (RFC 7591): who may ask people for access, and where to.

Anybody may register: a registration grants nothing, people do, on a page that shows what the client
says of itself and the host that the answer goes to.
"""

import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from authlib.oauth2.rfc7591 import (
    ClientRegistrationEndpoint,
    InvalidClientMetadataError,
    InvalidRedirectURIError,
)
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    StringConstraints,
    ValidationError,
)
from sqlalchemy.util import await_only

from hub.database import enter
from oauth import commands
from oauth.models import OAuthClient, StepKind
from oauth.names import visible
from oauth.redirects import MAX_REDIRECT_URI_CHARACTERS, fault_of, host_of
from oauth.requests import MetadataRequest
from oauth.scopes import supported_only
from oauth.tokens import CLIENT_SECRET_PREFIX, digest_of, new_client_id, new_token

if TYPE_CHECKING:
    from oauth.server import HubAuthorizationServer

# Plain aliases, which pydantic puts in place: OpenAPI finds no `$defs` in a request body.
# No control characters: they have no place in a name, and PostgreSQL refuses NUL.
_Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)]
_Uri = Annotated[str, StringConstraints(max_length=MAX_REDIRECT_URI_CHARACTERS)]
_GrantType = Literal["authorization_code", "refresh_token"]

# What tells a client that knows RFC 7591 from the two-field registration of our documentation.
_PROTOCOL_FIELDS = frozenset(
    {"token_endpoint_auth_method", "grant_types", "response_types", "application_type"}
)


class ClientMetadata(BaseModel):
    """What a client says of itself. Fields that are not named here are ignored (RFC 7591 §2)."""

    model_config = ConfigDict(
        extra="ignore",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "client_name": "claude-desktop",
                    "redirect_uris": ["https://claude.ai/oauth/callback"],
                }
            ]
        },
    )

    client_name: Annotated[_Text, AfterValidator(visible)] = Field(
        "", description="Shown to people, as the client's own claim."
    )
    redirect_uris: list[_Uri] = Field(
        min_length=1, max_length=20, description="Where codes may be sent: https, or loopback."
    )
    token_endpoint_auth_method: Literal["none", "client_secret_post", "client_secret_basic"] = (
        Field("none", description="A secret is made only for those that ask for one.")
    )
    grant_types: list[_GrantType] = Field(["authorization_code"], max_length=10)
    response_types: list[Literal["code"]] = Field(["code"], max_length=10)
    scope: Annotated[str, StringConstraints(max_length=1000)] = Field(
        "", description="Space-separated; scopes unknown here are dropped."
    )
    application_type: Literal["web", "native"] | None = None
    client_uri: HttpUrl | None = Field(None, strict=False)
    logo_uri: HttpUrl | None = Field(None, strict=False)
    tos_uri: HttpUrl | None = Field(None, strict=False)
    policy_uri: HttpUrl | None = Field(None, strict=False)
    contacts: list[_Text] | None = Field(None, max_length=10)
    software_id: _Text | None = None
    software_version: _Text | None = None


class RegistrationEndpoint(ClientRegistrationEndpoint):
    """Open registration, stored in the request's transaction."""

    server: "HubAuthorizationServer"

    def authenticate_token(self, _request: MetadataRequest) -> bool:
        """Let everybody register (RFC 7591 §3, open registration)."""
        return True

    def extract_client_metadata(self, request: MetadataRequest) -> dict[str, Any]:
        """Return what is kept of the metadata, as it is echoed (RFC 7591 §3.2.1)."""
        try:
            metadata = ClientMetadata.model_validate(request.payload.data)
        except ValidationError as error:
            raise _refusal(error) from error
        _check_redirects(metadata)
        if "authorization_code" not in metadata.grant_types:
            raise InvalidClientMetadataError("grant_types must include authorization_code.")
        return _echo(metadata)

    def generate_client_info(self, request: MetadataRequest) -> dict[str, Any]:
        """Return id and secret.

        `client_secret` is null for the registration that our documentation shows. A client that
        speaks RFC 7591's terms gets that RFC's form, in which a public client has no such member:
        a widely used client library refuses the whole answer over a null there.
        """
        data = request.payload.data
        info: dict[str, Any] = {"client_id": new_client_id()}
        if data.get("token_endpoint_auth_method", "none") != "none":
            info["client_secret"] = new_token(CLIENT_SECRET_PREFIX)
            info["client_secret_expires_at"] = 0
        elif _PROTOCOL_FIELDS.isdisjoint(data):
            info["client_secret"] = None
        info["client_id_issued_at"] = int(time.time())
        return info

    def save_client(
        self, client_info: dict[str, Any], metadata: dict[str, Any], _request: MetadataRequest
    ) -> OAuthClient:
        """Store the client, its secret as a digest."""
        secret = client_info.get("client_secret")
        columns = dict(metadata)
        client = OAuthClient(
            client_id=client_info["client_id"],
            secret_digest=digest_of(secret) if secret else None,
            client_name=columns.pop("client_name", ""),
            redirect_uris=columns.pop("redirect_uris"),
            grant_types=columns.pop("grant_types"),
            response_types=columns.pop("response_types"),
            scope=columns.pop("scope", ""),
            token_endpoint_auth_method=columns.pop("token_endpoint_auth_method"),
            client_metadata=columns,
        )
        await_only(self._store(client))
        return client

    async def _store(self, client: OAuthClient) -> None:
        await enter(self.server.session, presented=client.client_id)
        await commands.store_client(self.server.session, client=client)
        hosts = sorted({host_of(uri) for uri in client.redirect_uris})
        await self.server.trace(
            StepKind.REGISTERED, client_id=client.client_id, redirect_hosts=" ".join(hosts)
        )


def _check_redirects(metadata: ClientMetadata) -> None:
    for number, uri in enumerate(metadata.redirect_uris, start=1):
        if fault := fault_of(uri):
            raise InvalidRedirectURIError(f"redirect_uris: number {number} {fault}.")


def _echo(metadata: ClientMetadata) -> dict[str, Any]:
    """Return the metadata with what we support of it, and without what was not said."""
    kept: dict[str, Any] = metadata.model_dump(mode="json", exclude_none=True)
    # What was asked for, once each. Whether refresh tokens are given, the tenant decides.
    kept["grant_types"] = list(dict.fromkeys(metadata.grant_types))
    kept["response_types"] = ["code"]
    kept["scope"] = supported_only(metadata.scope)
    return {name: value for name, value in kept.items() if value != ""}


def _refusal(error: ValidationError) -> InvalidClientMetadataError | InvalidRedirectURIError:
    """Name the first field that is wrong, and never repeat what was in it."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    field = str(first["loc"][0])
    kind = InvalidRedirectURIError if field == "redirect_uris" else InvalidClientMetadataError
    return kind(f"{field}: {_ascii(first['msg'])}.")


def _ascii(text: str) -> str:
    """Return text that an error description may carry (RFC 6749 §5.2)."""
    return "".join(" " if c in '"\\' or not " " <= c <= "~" else c for c in text)
