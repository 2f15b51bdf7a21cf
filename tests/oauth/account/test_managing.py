"""Hosts, ingest keys and webhooks: who may, forged forms, other tenants, both languages."""

from dataclasses import replace

import pytest
from fastapi import FastAPI

from hub.database import Database
from hub.language import catalogue
from hub.principal import Role
from hub.tenancy.models import Tenant
from oauth.account import host_routes, ingest_setup, webhook_words
from oauth.account.alert_routes import ASK_AN_OPERATOR
from oauth.account.managing import ASK_A_MANAGER
from tests.factories import make_agent
from tests.oauth.account.conftest import MakeSomeone, Someone
from tests.oauth.browser import Page
from tests.oauth.trail import events_of

pytestmark = pytest.mark.slow

PAGES = ["/account/hosts", "/account/ingest", "/account/webhooks", "/account/alerts"]
WEBHOOK = {"name": "on call", "url": "https://1.1.1.1/hook/s3cret", "alert_opened": "yes"}
NOBODY = "00000000-0000-4000-8000-000000000000"
# Every form of these pages, as somebody would send it who knows how.
FORMS = {
    "/account/hosts/token": {"name": "web-01", "minutes": "60"},
    "/account/hosts/token/withdraw": {"id": "0" * 64},
    "/account/hosts/retire": {"host": "web-01"},
    "/account/ingest/key": {"source": "otlp", "name": "Rotterdam"},
    "/account/ingest/key/revoke": {"key": NOBODY},
    "/account/ingest/unknown-hosts": {"accepts": "yes"},
    "/account/webhooks/new": WEBHOOK,
    "/account/webhooks/secret": {"webhook": NOBODY},
    "/account/webhooks/test": {"webhook": NOBODY},
    "/account/webhooks/enable": {"webhook": NOBODY},
    "/account/webhooks/disable": {"webhook": NOBODY},
    "/account/webhooks/delete": {"webhook": NOBODY},
    "/account/webhooks/resend": {"delivery": NOBODY},
    "/account/alerts/enable": {"rule": NOBODY},
    "/account/alerts/disable": {"rule": NOBODY},
    "/account/alerts/delete": {"rule": NOBODY},
    "/account/alerts/usual": {},
    "/account/alerts/unmute": {"mute": NOBODY},
}
FOR_OPERATORS = "/account/alerts/unmute"


def test_every_form_is_tried(app: FastAPI) -> None:
    posted = {
        path
        for path, told in app.openapi()["paths"].items()
        if path.startswith(tuple(PAGES)) and "post" in told
    }
    assert posted == set(FORMS)


async def test_the_navigation_leads_to_each_page(someone: MakeSomeone) -> None:
    owner = await someone()
    security = (await owner.browser.get("/account/security")).text
    for path in PAGES:
        assert f'<a href="{path}">' in security
        response = await owner.browser.get(path)
        assert response.status_code == 200
        assert f'<a href="{path}" aria-current="page">' in response.text
        assert response.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "form-action 'self'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ANALYST, Role.VIEWER])
async def test_who_does_not_manage_is_told_whom_to_ask_and_changes_nothing(
    role: Role, someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    await make_agent(database, tenant, name="web-01", os_name="Debian GNU/Linux 13")
    member = await someone(role)
    for path in PAGES:
        page = await member.page(path)
        assert "Only owners and admins" in page.text
        assert [form.action for form in page.forms] == ["/sign-out"]
    for path, fields in FORMS.items():
        response = await member.post(path, **fields)
        may = path == FOR_OPERATORS and role is Role.OPERATOR
        asked = ASK_AN_OPERATOR if path == FOR_OPERATORS else ASK_A_MANAGER
        assert response.status_code == (400 if may else 403), path  # the mute is not there
        assert (asked in Page(response.text).text) is not may
    kinds = {kind for kind, _ in await events_of(database, tenant)}
    assert kinds == {"signed_in", "form_refused"}
    assert "web-01 has not reported yet" in (await member.page("/account/hosts")).text


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
async def test_owners_and_admins_may(
    role: Role, someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    manager = await someone(role)
    for path in ("/account/hosts/token", "/account/ingest/key", "/account/webhooks/new"):
        assert (await manager.post(path, **FORMS[path])).status_code == 200
    assert [kind for kind, _ in await events_of(database, tenant)] == [
        "signed_in",
        "enrolment_token_made",
        "ingest_key_created",
        "webhook_created",
    ]


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_from_elsewhere_is_refused(
    path: str, someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner = await someone()
    fields = FORMS[path]
    assert (await owner.post(path, **fields, csrf_token="forged")).status_code == 403
    page = await owner.page("/account/security")
    form = replace(page.form("/account/sign-out-everywhere"), action=path)
    foreign = await owner.browser.http.post(
        path, data=form.fields | fields, headers={"Origin": "https://evil.example"}
    )
    assert foreign.status_code == 403
    owner.browser.http.cookies.clear()
    signed_out = await owner.browser.submit(form, **fields)
    assert signed_out.headers["location"].startswith("/sign-in?next=%2Faccount%2F")
    kinds = {kind for kind, _ in await events_of(database, tenant)}
    assert kinds == {"signed_in", "form_refused"}


@pytest.mark.parametrize("path", PAGES)
async def test_who_is_not_signed_in_comes_back_after_signing_in(
    path: str, someone: MakeSomeone
) -> None:
    owner = await someone()
    owner.browser.http.cookies.clear()
    response = await owner.browser.get(f"{path}?done=x")
    assert response.headers["location"] == f"/sign-in?next=%2Faccount%2F{path[9:]}%3Fdone%3Dx"


@pytest.mark.parametrize(
    "path", ["/account/hosts?after=x", "/account/webhooks?after=x", "/account/webhooks?after=%00"]
)
async def test_what_is_no_page_leads_to_the_first(path: str, someone: MakeSomeone) -> None:
    owner = await someone()
    response = await owner.browser.get(path)
    assert (response.status_code, response.headers["location"]) == (303, path.partition("?")[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "field", "expected"),
    [
        ("/account/hosts/token/withdraw", "id", "This token cannot be used any more"),
        ("/account/hosts/retire", "host", "This server is not there."),
        ("/account/ingest/key/revoke", "key", "This key is not there."),
        ("/account/webhooks/secret", "webhook", "This webhook is not there."),
        ("/account/webhooks/test", "webhook", "This webhook is not there."),
        ("/account/webhooks/enable", "webhook", "This webhook is not there."),
        ("/account/webhooks/delete", "webhook", "This webhook is not there."),
        ("/account/webhooks/resend", "delivery", "This notification is not there any more."),
        ("/account/alerts/enable", "rule", "This rule is not there."),
        ("/account/alerts/delete", "rule", "This rule is not there."),
        ("/account/alerts/unmute", "mute", "This mute is not there, or is over."),
    ],
)
@pytest.mark.parametrize("value", ["", "x", "\0", "'", "ä" * 300, NOBODY])
async def test_what_does_not_exist_is_said_not_to(
    path: str, field: str, expected: str, value: str, owner: Someone
) -> None:
    response = await owner.post(path, **{field: value})
    assert response.status_code == 400
    assert expected in Page(response.text).text


@pytest.fixture
async def owner(someone: MakeSomeone) -> Someone:
    return await someone()


async def test_other_tenants_things_are_not_found(
    someone: MakeSomeone, database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    await make_agent(database, other_tenant, name="theirs-01")
    theirs, stranger = await someone(of=other_tenant), await someone()
    for path in ("/account/hosts/token", "/account/ingest/key", "/account/webhooks/new"):
        assert (await theirs.post(path, **FORMS[path])).status_code == 200
    pages = [await theirs.page(path) for path in PAGES]
    webhook = pages[2].form("/account/webhooks/test").fields["webhook"]
    await theirs.post("/account/webhooks/test", webhook=webhook)
    ids = {
        form.action: {name: value for name, value in form.fields.items() if name != "csrf_token"}
        for page in [*pages, await theirs.page("/account/webhooks")]
        for form in page.forms
        if form.action in FORMS and form.fields.keys() & {"id", "host", "key", "webhook"}
    }
    assert len(ids) == 7  # all but enabling, which is offered for one that is off
    before = await events_of(database, other_tenant)
    for path, fields in ids.items():
        assert (await stranger.post(path, **fields)).status_code == 400, path
    assert [kind for kind, _ in await events_of(database, tenant)] == ["signed_in"]
    assert await events_of(database, other_tenant) == before
    assert "theirs-01" not in (await stranger.page("/account/hosts")).text
    assert "Tokens that nobody used yet" not in (await stranger.page("/account/hosts")).text
    assert "There is no webhook yet." in (await stranger.page("/account/webhooks")).text
    assert "There is no key yet." in (await stranger.page("/account/ingest")).text


def test_every_word_that_is_looked_up_has_its_german() -> None:
    german = catalogue("oauth", "de")
    looked_up = {
        *host_routes._SAID.values(),
        *ingest_setup.SOURCE_NAMES.values(),
        *ingest_setup._HINTS.values(),
        *webhook_words.NOTES.values(),
        *webhook_words.SAID.values(),
        *webhook_words.EVENT_NAMES.values(),
        *webhook_words.SEVERITIES.values(),
        *webhook_words.STATES.values(),
        *webhook_words.PROBLEMS.values(),
        *("online", "offline", "has not reported yet"),
    }
    assert sorted(looked_up - german.keys()) == []


async def test_the_pages_speak_german(someone: MakeSomeone) -> None:
    owner = await someone()
    owner.browser.http.headers["Accept-Language"] = "de"
    expected = {
        "/account/hosts": ("0 von 5 Servern Ihres Tarifs.", "Eine Maschine aufnehmen"),
        "/account/ingest": ("Es gibt noch keinen Schlüssel.", "OpenTelemetry: Metriken von Hosts"),
        "/account/webhooks": ("Es gibt noch keinen Webhook.", "ein Alarm beginnt"),
        "/account/alerts": ("Geltende Stummschaltungen", "Alarmregeln"),
    }
    for path, texts in expected.items():
        page = await owner.page(path)
        assert [text for text in texts if text not in page.text] == []
    made = Page((await owner.post("/account/hosts/token")).text)
    assert "Führen Sie das auf der Maschine aus, als root" in made.text
    made = Page((await owner.post("/account/ingest/key", source="wazuh", name="x")).text)
    assert "Der zweite ist das Skript, das Wazuh aufruft" in made.text
    made = Page((await owner.post("/account/webhooks/new", **WEBHOOK)).text)
    assert "Der Webhook ist erstellt." in made.text
    refused = Page((await owner.post("/account/webhooks/new", **WEBHOOK)).text)
    assert "Name: Ein anderer Webhook heißt schon so." in refused.text
    refused = Page((await owner.post("/account/hosts/token", minutes="0")).text)
    assert "Gültig: Nennen Sie 1 bis 10080 Minuten" in refused.text
