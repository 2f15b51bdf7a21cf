"""Attacks through a person's own browser: forged forms, frames, planted sessions."""

import pytest
from sqlalchemy import update

from hub.database import Database
from hub.principal import Role
from hub.tenancy.models import Tenant
from tests.oauth.attacks.scene import Scene
from tests.oauth.browser import Browser
from tests.oauth.conftest import APP_ORIGIN, MakeSignedIn
from tests.oauth.flow import AUTHORIZE, Client, consent_form


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://evil.app.example.com", "Sec-Fetch-Site": "same-site"},
    ],
    ids=["cross-site", "old browser", "sandboxed frame", "sister host"],
)
async def test_consent_cannot_be_posted_from_another_site(
    headers: dict[str, str],
    browser: Browser,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 9700 §4.7 and RFC 6749 §10.12: not even with the form's own token."""
    await sign_in_as()
    form = await consent_form(browser, client)
    await scene.begin()
    data = form.fields | {"decision": "allow"}
    response = await browser.http.post(AUTHORIZE, data=data, headers=headers)
    await scene.refused(response, status=403, reason="another site")


@pytest.mark.parametrize("decision", ["allow", "deny"])
async def test_consent_needs_the_token_of_its_form(
    decision: str, browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 6749 §10.12."""
    await sign_in_as()
    form = await consent_form(browser, client)
    await scene.begin()
    response = await browser.submit(form, decision=decision, csrf_token="forged")
    await scene.refused(response, status=403, reason="open for too long")


async def test_the_token_of_a_smaller_request_does_not_allow_a_larger_one(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 6749 §10.12: what was shown is what is allowed."""
    await sign_in_as()
    form = await consent_form(browser, client, scope="mcp.read")
    await scene.begin()
    response = await browser.submit(form, decision="allow", scope="mcp.read mcp.acknowledge")
    await scene.refused(response, status=403, reason="open for too long")


async def test_the_token_of_another_persons_form_is_refused(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 9700 §4.7: the attacker has an account too, and fetches a form of their own."""
    await sign_in_as()
    stolen = (await consent_form(browser, client)).fields["csrf_token"]
    browser.http.cookies.clear()
    await sign_in_as()
    form = await consent_form(browser, client)
    await scene.begin()
    response = await browser.submit(form, decision="allow", csrf_token=stolen)
    await scene.refused(response, status=403, reason="open for too long")


@pytest.mark.parametrize("frame", ["iframe", "frame", "embed", "object", "fencedframe"])
@pytest.mark.parametrize("page", ["consent", "sign-in", "settings"])
async def test_a_page_in_a_frame_is_not_given(
    frame: str,
    page: str,
    browser: Browser,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 9700 §4.16 (clickjacking): the browser says what it fetches the page for."""
    await sign_in_as()
    url = {"consent": client.authorize_url(), "sign-in": "/sign-in", "settings": "/account/apps"}
    await scene.begin()
    headers = {"Sec-Fetch-Dest": frame, "Sec-Fetch-Site": "cross-site"}
    response = await browser.http.get(url[page], headers=headers)
    await scene.refused(response, status=403, reason="framed", audited=True)
    assert response.headers["x-frame-options"] == "DENY"
    assert "<form" not in response.text


async def test_a_framed_decision_is_not_taken(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 9700 §4.16: nor is the click that was lured from the person."""
    await sign_in_as()
    form = await consent_form(browser, client)
    await scene.begin()
    headers = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-origin", "Origin": APP_ORIGIN}
    data = form.fields | {"decision": "allow"}
    response = await browser.http.post(AUTHORIZE, data=data, headers=headers)
    await scene.refused(response, status=403, reason="framed", audited=True)


async def test_a_switch_is_not_turned_on_by_who_may_not(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene, database: Database
) -> None:
    """RFC 9700 §4: the box is not on a member's page; sending it nevertheless opens nothing."""
    await sign_in_as(Role.ANALYST)
    async with database.transaction(tenant_id=scene.tenant.id) as session:
        await session.execute(update(Tenant).values(claude_may_read=False))
    form = await consent_form(browser, client)
    await scene.begin()
    response = await browser.submit(form, decision="allow", enable_read="yes")
    await scene.refused(response, status=400, reason="switch the connector on", audited=True)
