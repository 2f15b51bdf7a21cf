"""A client's side of the authorization code flow, step by step, so that a test can spoil one."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2

from hub.tenancy.passwords import hash_password
from tests.oauth.browser import Browser, Form, Page

AUTHORIZE = "/mcp/oauth/authorize"
TOKEN = "/mcp/oauth/token"
REGISTER = "/mcp/oauth/register"
REVOKE = "/mcp/oauth/revoke"
CALLBACK = "https://claude.ai/api/mcp/auth_callback"
RESOURCE = "https://api.example.com/mcp"

PASSWORD = "correct horse battery staple"
PASSWORD_HASH = hash_password(PASSWORD)


@dataclass(frozen=True)
class Client:
    """A registered client and one attempt's PKCE."""

    client_id: str
    client_secret: str | None = None
    redirect_uri: str = CALLBACK
    verifier: str = field(default_factory=lambda: secrets.token_bytes(32).hex())

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def authorize_url(self, **changes: str | None) -> str:
        """Return the link that the client opens; a parameter changed to None is left out."""
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "mcp.read mcp.acknowledge",
            "state": "xyz",
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            "resource": RESOURCE,
        } | changes
        query = urlencode({name: value for name, value in parameters.items() if value is not None})
        return f"{AUTHORIZE}?{query}"

    def token_form(self, code: str, /, **changes: str | None) -> dict[str, str]:
        """Return the token request; a field changed to None is left out."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "client_id": self.client_id,
            "code_verifier": self.verifier,
            "resource": RESOURCE,
        } | changes
        return {name: value for name, value in fields.items() if value is not None}


async def register(http: httpx2.AsyncClient, **metadata: Any) -> Client:
    """Register a client, public unless said otherwise."""
    body = {"client_name": "claude", "redirect_uris": [CALLBACK]} | metadata
    response = await http.post(REGISTER, json=body)
    assert response.status_code == 201, response.text
    answer = response.json()
    return Client(
        answer["client_id"], answer.get("client_secret"), redirect_uri=body["redirect_uris"][0]
    )


def answer_of(response: httpx2.Response) -> dict[str, str]:
    """Return the parameters of a redirect to the client."""
    assert response.status_code == 303, response.text
    query = parse_qs(urlsplit(response.headers["location"]).query, strict_parsing=True)
    assert all(len(values) == 1 for values in query.values())
    return {name: values[0] for name, values in query.items()}


async def consent_form(browser: Browser, client: Client, **changes: str | None) -> Form:
    """Open the client's link and return the form with the decision."""
    response = await browser.get(client.authorize_url(**changes))
    assert response.status_code == 200, response.text
    return Page(response.text).form(AUTHORIZE, field="csrf_token")


async def authorize(browser: Browser, client: Client, **changes: str | None) -> str:
    """Allow the client what it asks for, and return the code."""
    form = await consent_form(browser, client, **changes)
    ticked = dict.fromkeys(form.boxes, "yes")
    return answer_of(await browser.submit(form, decision="allow", **ticked))["code"]


async def connect(browser: Browser, api: httpx2.AsyncClient, client: Client) -> str:
    """Go the whole way and return the access token."""
    response = await api.post(TOKEN, data=client.token_form(await authorize(browser, client)))
    assert response.status_code == 200, response.text
    token: str = response.json()["access_token"]
    return token
