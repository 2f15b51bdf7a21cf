"""Attacks by and on clients: impersonation, guessing, flooding."""

import httpx2
import pytest
from fastapi import FastAPI

from hub.database import Database
from hub.settings import Settings
from tests.oauth.attacks.scene import Scene
from tests.oauth.browser import Browser
from tests.oauth.conftest import API_ORIGIN, MakeSignedIn, make_app
from tests.oauth.flow import REGISTER, REVOKE, TOKEN, Client, authorize, register


async def posted(app: FastAPI, path: str, times: int, **form: str) -> list[httpx2.Response]:
    """Post a form again and again from one address."""
    transport = httpx2.ASGITransport(app, client=("203.0.113.9", 1))
    async with httpx2.AsyncClient(transport=transport, base_url=API_ORIGIN) as http:
        return [await http.post(path, data=form) for _ in range(times)]


@pytest.mark.parametrize("secret", [None, "", "guess", "mcs_" + "a" * 49])
async def test_a_confidential_client_cannot_be_played_without_its_secret(
    secret: str | None,
    browser: Browser,
    api: httpx2.AsyncClient,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 6749 §10.2 and §2.3.1: leaving the secret out does not make the client public."""
    await sign_in_as()
    client = await register(api, token_endpoint_auth_method="client_secret_post")
    code = await authorize(browser, client)
    await scene.begin()
    response = await api.post(TOKEN, data=client.token_form(code, client_secret=secret))
    await scene.refused(response, status=401, error="invalid_client", reason="invalid_client")


async def test_the_secret_of_another_client_opens_nothing(
    browser: Browser, api: httpx2.AsyncClient, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 6749 §10.2."""
    await sign_in_as()
    client, other = [
        await register(api, token_endpoint_auth_method="client_secret_basic") for _ in range(2)
    ]
    code = await authorize(browser, client)
    await scene.begin()
    form = client.token_form(code, client_secret=other.client_secret)
    response = await api.post(TOKEN, data=form)
    await scene.refused(response, status=401, error="invalid_client", reason="invalid_client")


async def test_a_guess_does_not_hide_behind_the_name_of_another_client(
    api: httpx2.AsyncClient, scene: Scene
) -> None:
    """RFC 6749 §2.3: one client, one method; else guesses for it count as those of the other."""
    client, other = [
        await register(api, token_endpoint_auth_method="client_secret_basic") for _ in range(2)
    ]
    assert client.client_secret is not None
    await scene.begin()
    for secret in ("guess", client.client_secret):
        form = client.token_form("guess", client_id=other.client_id)
        response = await api.post(TOKEN, data=form, auth=(client.client_id, secret))
        await scene.refused(
            response, status=400, error="invalid_request", reason="two different clients"
        )


async def test_guessing_a_secret_is_stopped_without_stopping_the_client(
    settings: Settings,
    database: Database,
    browser: Browser,
    api: httpx2.AsyncClient,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 6749 §10.10: the guesser's address waits; the client itself goes on elsewhere."""
    await sign_in_as()
    client = await register(api, token_endpoint_auth_method="client_secret_post")
    code = await authorize(browser, client)
    await scene.begin()
    app = make_app(settings, database)
    guess = client.token_form(code, client_secret="guess")
    responses = await posted(app, TOKEN, 21, **guess)
    assert [response.status_code for response in responses] == [401] * 20 + [429]
    await scene.refused(responses[-1], status=429, error="too_many_requests", reason="too_many")
    form = client.token_form(code, client_secret=client.client_secret)
    assert (await api.post(TOKEN, data=form)).status_code == 200


@pytest.mark.parametrize("path", [TOKEN, REVOKE, "/mcp/oauth/introspect"])
async def test_a_flood_of_requests_is_slowed_down(
    path: str, settings: Settings, database: Database, client: Client, scene: Scene
) -> None:
    """RFC 6749 §10.10, RFC 7009 §5: before anything is looked up."""
    app = make_app(settings.model_copy(update={"oauth_requests_per_minute": 3}), database)
    await scene.begin()
    form = {"token": "x", "grant_type": "authorization_code", "client_id": client.client_id}
    responses = await posted(app, path, 4, **form)
    await scene.refused(responses[-1], status=429, error="too_many_requests", reason="too_many")
    assert int(responses[-1].headers["retry-after"]) > 0


async def test_registration_flooding_is_slowed_down(
    settings: Settings, database: Database, scene: Scene, address: str
) -> None:
    """RFC 7591 §5."""
    app = make_app(settings.model_copy(update={"registrations_per_hour": 1}), database)
    transport = httpx2.ASGITransport(app, client=(address, 1))
    body = {"redirect_uris": ["https://a.example/callback"]}
    async with httpx2.AsyncClient(transport=transport, base_url=API_ORIGIN) as http:
        assert (await http.post(REGISTER, json=body)).status_code == 201
        await scene.begin()
        response = await http.post(REGISTER, json=body)
    await scene.refused(response, status=429, error="too_many_requests", reason="too_many")


async def test_a_flood_of_refusals_does_not_fill_the_database(
    settings: Settings, database: Database, scene: Scene
) -> None:
    """RFC 9700 §4.14: ten a minute of one caller are kept, and how many were not."""
    app = make_app(settings, database)
    await scene.begin()
    responses = await posted(app, TOKEN, 15, client_id="mcp_unknown")
    for response in responses[:10]:
        await scene.refused(
            response, status=400, error="invalid_request", reason="grant_type is required"
        )
    for response in responses[10:]:
        scene.turned_down(response, status=400, error="invalid_request")
        await scene.unlogged(response)
    transport = httpx2.ASGITransport(app, client=("203.0.113.12", 1))
    async with httpx2.AsyncClient(transport=transport, base_url=API_ORIGIN) as http:
        response = await http.post(TOKEN, data={"client_id": "mcp_unknown"})
    await scene.logged(response, reason="'unwritten_before': 5")


async def test_a_huge_registration_is_not_read(api: httpx2.AsyncClient, scene: Scene) -> None:
    """RFC 7591 §5."""
    await scene.begin()
    response = await api.post(REGISTER, json={"client_name": "a" * 2_000_000})
    await scene.refused(response, status=413, error="invalid_request", reason="too large")


@pytest.mark.parametrize("grant_type", ["password", "client_credentials", "implicit", "urn:x"])
async def test_grants_that_skip_the_person_are_refused(
    grant_type: str, api: httpx2.AsyncClient, client: Client, scene: Scene
) -> None:
    """RFC 9700 §2.4 and §2.1.2."""
    await scene.begin()
    form = {"grant_type": grant_type, "client_id": client.client_id, "username": "a"}
    response = await api.post(TOKEN, data=form)
    await scene.refused(
        response, status=400, error="unsupported_grant_type", reason="unsupported_grant_type"
    )


@pytest.mark.parametrize("response_type", ["token", "id_token", "code token", "none"])
async def test_answers_that_carry_tokens_in_the_address_are_refused(
    response_type: str, browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 9700 §2.1.2."""
    await sign_in_as()
    await scene.begin()
    response = await browser.get(client.authorize_url(response_type=response_type))
    await scene.refused(
        response, status=303, error="unsupported_response_type", reason="must be code"
    )


async def test_an_unknown_scope_is_refused(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 6749 §3.3: nothing is granted that nobody can explain."""
    await sign_in_as()
    await scene.begin()
    response = await browser.get(client.authorize_url(scope="mcp.read admin"))
    await scene.refused(response, status=303, error="invalid_scope", reason="invalid_scope")


async def test_a_foreign_resource_is_refused(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 8707 §2: our tokens are not made for somebody else's server to collect."""
    await sign_in_as()
    await scene.begin()
    response = await browser.get(client.authorize_url(resource="https://evil.example/mcp"))
    await scene.refused(response, status=303, error="invalid_target", reason="resource")
