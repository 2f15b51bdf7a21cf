"""What an operator finds when somebody's connector does not connect."""

from datetime import timedelta

import httpx2
from sqlalchemy import text

from hub.clock import utc_now
from hub.database import Database
from hub.tenancy.models import Tenant
from hub.tenancy.queries import account_by_email
from oauth.bearer import BearerAuthenticator
from oauth.models import StepKind
from oauth.trace import Step, steps
from tests.factories import make_tenant
from tests.oauth.browser import Browser
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import REVOKE, TOKEN, Client, answer_of, authorize, consent_form

HOUR = timedelta(hours=1)


async def steps_of(database: Database, **of: object) -> list[Step]:
    async with database.transaction(presented="*") as session:
        return await steps(session, since=utc_now() - HOUR, **of)  # type: ignore[arg-type]


async def test_every_step_of_a_client_is_there_in_order(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    database: Database,
) -> None:
    lasting = await make_tenant(database, stay_connected=True)
    await sign_in_as(of=lasting)
    denied = await consent_form(browser, client)
    answer_of(await browser.submit(denied, decision="deny"))
    code = await authorize(browser, client)
    tokens = (await api.post(TOKEN, data=client.token_form(code))).json()
    form = {
        "grant_type": "refresh_token",
        "refresh_token": tokens["refresh_token"],
        "client_id": client.client_id,
    }
    await api.post(TOKEN, data=form)
    await api.post(TOKEN, data=client.token_form("wrong"))
    await api.post(REVOKE, data={"token": tokens["access_token"], "client_id": client.client_id})
    await api.post(TOKEN, data=client.token_form(code))

    found = await steps_of(database, client_id=client.client_id)

    assert [step.kind for step in found] == [
        StepKind.REGISTERED,
        StepKind.SHOWN,
        StepKind.DENIED,
        StepKind.SHOWN,
        StepKind.GRANTED,
        StepKind.EXCHANGED,
        StepKind.REFRESHED,
        StepKind.REFUSED,
        StepKind.REVOKED,
        StepKind.REPLAYED,
    ]
    assert all(step.request_id and len(step.request_id) == 32 for step in found)
    assert tokens["access_token"] not in str(found)
    assert tokens["refresh_token"] not in str(found)


async def test_the_id_in_an_error_leads_to_its_reason(
    api: httpx2.AsyncClient, client: Client, database: Database
) -> None:
    response = await api.post(TOKEN, data=client.token_form("guess"))
    request_id = response.json()["request_id"]
    assert request_id == response.headers["x-request-id"]
    (step,) = await steps_of(database, request_id=request_id)
    assert step.kind is StepKind.REFUSED
    assert step.client_id == client.client_id
    assert step.details == {"error": "invalid_grant", "reason": "The code is unknown."}


async def test_the_id_on_an_error_page_leads_to_its_reason(
    browser: Browser, database: Database
) -> None:
    response = await browser.get(Client("mcp_" + "0" * 32).authorize_url())
    request_id = response.headers["x-request-id"]
    assert request_id in response.text
    (step,) = await steps_of(database, request_id=request_id)
    assert "not registered here" in str(step.details["reason"])


async def test_steps_of_a_person_are_found_too(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    database: Database,
) -> None:
    email = await sign_in_as()
    code = await authorize(browser, client)
    await api.post(TOKEN, data=client.token_form(code))
    async with database.transaction(presented=email) as session:
        account = await account_by_email(session, email=email)
    assert account is not None
    found = await steps_of(database, user_id=account.user_id)
    assert [step.kind for step in found] == [
        StepKind.SHOWN,
        StepKind.GRANTED,
        StepKind.EXCHANGED,
    ]


async def test_a_tenant_does_not_see_the_steps_of_another(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    database: Database,
    other_tenant: Tenant,
) -> None:
    await sign_in_as()
    await api.post(TOKEN, data=client.token_form(await authorize(browser, client)))
    async with database.transaction(tenant_id=other_tenant.id) as session:
        rows = await session.scalar(text("SELECT count(*) FROM oauth_events"))
    assert rows == 0


async def test_what_strangers_write_is_bounded_and_printable(
    api: httpx2.AsyncClient, database: Database
) -> None:
    form = {
        "grant_type": "authorization_code",
        "code": "x",
        "client_id": "\x1b[2J\x00é" + "a" * 999,
    }
    response = await api.post(TOKEN, data=form)
    (step,) = await steps_of(database, request_id=response.headers["x-request-id"])
    assert step.client_id == "?[2J??" + "a" * 506


async def test_a_grants_last_use_is_kept_once_a_minute(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    authenticator: BearerAuthenticator,
    database: Database,
    tenant: Tenant,
) -> None:
    await sign_in_as()
    form = client.token_form(await authorize(browser, client))
    token = (await api.post(TOKEN, data=form)).json()["access_token"]
    seen = []
    for _ in range(3):
        await authenticator.authenticate(token)
        async with database.transaction(tenant_id=tenant.id) as session:
            seen.append(await session.scalar(text("SELECT last_used_at FROM oauth_grants")))
    assert seen[0] is not None
    assert seen[0] == seen[1] == seen[2]
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(
            text("UPDATE oauth_grants SET last_used_at = last_used_at - interval '61 seconds'")
        )
    await authenticator.authenticate(token)
    async with database.transaction(tenant_id=tenant.id) as session:
        assert await session.scalar(text("SELECT last_used_at FROM oauth_grants")) > seen[0]
