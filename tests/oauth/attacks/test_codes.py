"""Attacks on authorization codes and PKCE."""

import asyncio
from collections import Counter
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import update

from hub.clock import utc_now
from hub.database import Database
from hub.tenancy.models import Tenant
from oauth.models import OAuthCode
from tests.oauth.attacks.scene import Scene
from tests.oauth.browser import Browser
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import TOKEN, Client, authorize, register


async def test_a_code_injected_into_another_clients_session_is_refused(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 9700 §4.5: a stolen code needs the verifier of the attempt it was made for."""
    await sign_in_as()
    code = await authorize(browser, client)
    own_attempt = Client(client.client_id)  # same client, another attempt: another verifier
    await scene.begin()
    response = await api.post(TOKEN, data=own_attempt.token_form(code))
    await scene.refused(response, status=400, error="invalid_grant", reason="Code challenge failed")


async def test_a_stolen_code_is_worthless_to_another_client(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 6749 §10.5 and §4.1.3."""
    await sign_in_as()
    code = await authorize(browser, client)
    thief = await register(api)
    await scene.begin()
    response = await api.post(TOKEN, data=client.token_form(code, client_id=thief.client_id))
    await scene.refused(response, status=400, error="invalid_grant", reason="another client")


async def test_a_replayed_code_ends_everything_it_gave(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 6749 §4.1.2 and RFC 9700 §4.5: the refresh token included."""
    await sign_in_as()
    form = client.token_form(await authorize(browser, client))
    answer = (await api.post(TOKEN, data=form)).json()
    assert answer["refresh_token"].startswith("mrt_")
    response = await api.post(TOKEN, data=form)
    await scene.refused(
        response, status=400, error="invalid_grant", reason="grant_revoked", changes=True
    )
    await scene.ended()


async def test_a_code_replayed_by_another_client_ends_it_too(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 9700 §4.5: two parties know it, so it has leaked."""
    await sign_in_as()
    code = await authorize(browser, client)
    await api.post(TOKEN, data=client.token_form(code))
    thief = await register(api)
    response = await api.post(TOKEN, data=client.token_form(code, client_id=thief.client_id))
    await scene.refused(
        response, status=400, error="invalid_grant", reason="grant_revoked", changes=True
    )
    await scene.ended()


async def test_an_old_code_is_refused(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
    database: Database,
    tenant: Tenant,
) -> None:
    """RFC 6749 §4.1.2: out of a log or a browser's history."""
    await sign_in_as()
    code = await authorize(browser, client)
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(OAuthCode).values(expires_at=utc_now() - timedelta(seconds=1)))
    await scene.begin()
    response = await api.post(TOKEN, data=client.token_form(code))
    await scene.refused(response, status=400, error="invalid_grant", reason="expired")


async def test_a_guessed_code_is_refused(
    api: httpx2.AsyncClient, client: Client, scene: Scene
) -> None:
    """RFC 6749 §10.10."""
    await scene.begin()
    response = await api.post(TOKEN, data=client.token_form("guess"))
    await scene.refused(response, status=400, error="invalid_grant", reason="unknown")


async def test_a_code_sent_with_another_redirect_is_refused(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 6749 §10.6: redirection URI manipulation."""
    await sign_in_as()
    code = await authorize(browser, client)
    await scene.begin()
    form = client.token_form(code, redirect_uri="https://evil.example/callback")
    response = await api.post(TOKEN, data=form)
    await scene.refused(response, status=400, error="invalid_grant", reason="redirect_uri")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "required (PKCE)"),
        ({"code_challenge_method": "plain"}, "must be S256"),
        ({"code_challenge_method": None}, "must be S256"),
        ({"code_challenge_method": "s256"}, "must be S256"),
        ({"code_challenge": "short"}, "base64url of a SHA-256"),
    ],
    ids=["missing", "plain", "method missing", "method in lower case", "too short"],
)
async def test_pkce_cannot_be_left_out_or_downgraded(
    changes: dict[str, str | None],
    reason: str,
    browser: Browser,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 9700 §2.1.1 and §4.8.2, RFC 7636 §7.2: refused before any page is shown."""
    await sign_in_as()
    await scene.begin()
    response = await browser.get(client.authorize_url(**changes))
    await scene.refused(response, status=303, error="invalid_request", reason=reason)


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"code_verifier": None}, "invalid_request", "code_verifier"),
        ({"code_verifier": "b" * 64}, "invalid_grant", "Code challenge failed"),
    ],
    ids=["missing", "wrong"],
)
async def test_a_code_without_its_verifier_is_refused(
    changes: dict[str, str | None],
    error: str,
    reason: str,
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 7636 §4.6 and RFC 9700 §4.8.2."""
    await sign_in_as()
    code = await authorize(browser, client)
    await scene.begin()
    response = await api.post(TOKEN, data=client.token_form(code, **changes))
    await scene.refused(response, status=400, error=error, reason=reason)


async def test_the_challenge_itself_is_no_verifier(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 7636 §7.2: who saw the authorization request knows the challenge, as with `plain`."""
    await sign_in_as()
    code = await authorize(browser, client)
    await scene.begin()
    response = await api.post(TOKEN, data=client.token_form(code, code_verifier=client.challenge))
    await scene.refused(response, status=400, error="invalid_grant", reason="Code challenge failed")


async def test_fifty_replays_at_once_leave_nobody_with_a_token(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 6749 §4.1.2: one wins; nobody can tell who, so the others end what it won."""
    await sign_in_as()
    form = client.token_form(await authorize(browser, client))
    responses = await asyncio.gather(*(api.post(TOKEN, data=form) for _ in range(50)))
    assert Counter(response.status_code for response in responses) == {200: 1, 400: 49}
    for response in responses:
        if response.status_code == 400:
            scene.turned_down(response, status=400, error="invalid_grant")
            await scene.logged(response, reason="grant_revoked", audited=True)
    await scene.ended()
