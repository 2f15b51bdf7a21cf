"""Members: invited by a link, given a role, removed; and an organisation keeps an owner."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.clock import utc_now
from hub.database import Database
from hub.mail import NoMail
from hub.principal import Role
from hub.tenancy.members import LastOwner, remove_member
from hub.tenancy.models import Tenant
from hub.tenancy.queries import account_by_email, memberships_of
from oauth.bearer import BearerAuthenticator
from oauth.commands import revoke_grant
from tests.factories import make_user
from tests.factories import person as principal_of
from tests.oauth.account.conftest import MakeSomeone, Someone
from tests.oauth.account.outbox import Outbox
from tests.oauth.browser import Browser, Page
from tests.oauth.flow import PASSWORD, PASSWORD_HASH, Client, connect
from tests.oauth.trail import events_of

NEW_PASSWORD = "quiet copper bicycle dawn"


async def roles_in(database: Database, tenant: Tenant) -> dict[str, str]:
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = await session.execute(
            text("SELECT u.email, m.role FROM memberships m JOIN users u ON u.id = m.user_id")
        )
        return {row.email: row.role for row in rows}


async def confirmed(person: Someone, path: str, **fields: str) -> httpx2.Response:
    """Send a form that needs a fresh code, and the code that is asked for."""
    asked = await person.post(path, **fields)
    assert asked.status_code == 403, Page(asked.text).text
    return await person.browser.submit(Page(asked.text).form(path), code=person.code())


async def test_an_invited_person_joins_with_a_new_account(
    someone: MakeSomeone,
    browser: Browser,
    email: str,
    outbox: Outbox,
    database: Database,
    tenant: Tenant,
) -> None:
    owner = await someone()
    response = await owner.post(
        "/account/members/invite", email=f" {email.upper()}", role="analyst"
    )
    assert response.headers["location"] == "/account/members?done=invited"
    link = outbox.link_to(email)
    form = Page((await browser.get(link)).text).form("/invitation")
    assert (await browser.submit(form, password="password1234")).status_code == 400
    joined = await browser.submit(form, password=NEW_PASSWORD, name="Ben")
    assert joined.headers["location"] == "/account/members?done=joined"
    assert (await browser.get("/account/members")).status_code == 200
    assert await roles_in(database, tenant) == {owner.email: "owner", email: "analyst"}
    assert (await browser.get(link)).status_code == 400
    assert (await browser.submit(form, password=NEW_PASSWORD)).status_code == 400
    assert [kind for kind, _ in await events_of(database, tenant)] == [
        "signed_in",
        "member_invited",
        "user_added",
        "signed_in",
    ]


async def test_a_person_with_an_account_joins_with_it_and_switches_between_tenants(
    someone: MakeSomeone, outbox: Outbox, database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    owner, guest = await someone(), await someone(of=other_tenant)
    await owner.post("/account/members/invite", email=guest.email, role="viewer")
    link = outbox.link_to(guest.email)
    form = (await guest.page(link)).form("/invitation")
    assert "password" not in form.fields
    before = guest.browser.http.cookies["__Host-monsys_session"]
    assert (await guest.browser.submit(form)).status_code == 303
    after = guest.browser.http.cookies["__Host-monsys_session"]
    assert after != before
    page = await guest.page("/account/members")
    assert owner.email in page.text
    switch = page.form("/account/tenant")
    switched = await guest.browser.submit(switch, tenant=other_tenant.slug)
    assert switched.headers["location"] == "/account/members"
    assert guest.browser.http.cookies["__Host-monsys_session"] not in {before, after}
    assert owner.email not in (await guest.page("/account/members")).text
    # A tenant that is not one's own cannot be chosen.
    foreign = await guest.browser.submit(switch, tenant="no-such-tenant")
    assert foreign.status_code == 403  # the form was of the former cookie
    assert await roles_in(database, tenant) == {owner.email: "owner", guest.email: "viewer"}


async def test_nobody_else_can_use_an_invitation(
    someone: MakeSomeone,
    browser: Browser,
    outbox: Outbox,
    database: Database,
    tenant: Tenant,
    other_tenant: Tenant,
) -> None:
    owner, guest, other = (
        await someone(),
        await someone(of=other_tenant),
        await someone(of=other_tenant),
    )
    await owner.post("/account/members/invite", email=guest.email, role="viewer")
    link = outbox.link_to(guest.email)
    page = await other.page(link)
    assert f"signed in as {other.email}" in page.text
    assert [form.action for form in page.forms] == ["/sign-out"]
    stranger = Page((await browser.get(link)).text)
    assert stranger.forms == []
    assert "This address has an account." in stranger.text
    assert await roles_in(database, tenant) == {owner.email: "owner"}


async def test_a_withdrawn_invitation_is_over(
    someone: MakeSomeone, browser: Browser, email: str, outbox: Outbox
) -> None:
    owner = await someone()
    await owner.post("/account/members/invite", email=email, role="viewer")
    form = (await owner.page("/account/members")).form("/account/members/invitation/revoke")
    assert (await owner.browser.submit(form)).status_code == 303
    assert (await browser.get(outbox.link_to(email))).status_code == 400


async def test_a_new_invitation_takes_the_place_of_the_former(
    someone: MakeSomeone, browser: Browser, email: str, outbox: Outbox
) -> None:
    owner = await someone()
    await owner.post("/account/members/invite", email=email, role="viewer")
    first = outbox.link_to(email)
    await owner.post("/account/members/invite", email=email, role="operator")
    assert (await browser.get(first)).status_code == 400
    assert "operator" in Page((await browser.get(outbox.link_to(email))).text).text


@pytest.mark.parametrize("role", ["owner", "admin"])
async def test_inviting_who_will_manage_others_needs_a_fresh_code(
    role: str, someone: MakeSomeone, email: str, outbox: Outbox
) -> None:
    owner = await someone(totp=True)
    response = await confirmed(owner, "/account/members/invite", email=email, role=role)
    assert response.status_code == 303
    assert len(outbox.to(email)) == 1


@pytest.mark.parametrize(
    ("fields", "status", "why"),
    [
        ({"role": "emperor"}, 400, "Choose one of the roles."),
        ({"email": "nobody"}, 400, "This is no e-mail address."),
    ],
)
async def test_a_malformed_invitation_is_not_sent(
    fields: dict[str, str], status: int, why: str, someone: MakeSomeone, email: str, outbox: Outbox
) -> None:
    owner = await someone()
    values = {"email": email, "role": "viewer"} | fields
    response = await owner.post("/account/members/invite", **values)
    assert (response.status_code, outbox.to(email)) == (status, [])
    assert why in Page(response.text).text


async def test_members_are_not_invited_again(
    someone: MakeSomeone, database: Database, tenant: Tenant, outbox: Outbox
) -> None:
    owner, member = await someone(), await make_user(database, tenant)
    response = await owner.post("/account/members/invite", email=member.email, role="viewer")
    assert response.status_code == 400
    assert "is a member already" in Page(response.text).text
    assert outbox.to(member.email) == []


async def test_no_invitation_where_no_letter_can_be_sent(
    someone: MakeSomeone, app: FastAPI, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await someone()
    monkeypatch.setattr(app.state.oauth.mail, "check", NoMail().check)
    response = await owner.post("/account/members/invite", email=email, role="viewer")
    assert response.status_code == 503
    assert "MONSYS_SMTP_URL" in response.text


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ANALYST, Role.VIEWER])
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/account/members/invite", {"email": "x@example.com", "role": "viewer"}),
        ("/account/members/role", {"role": "owner"}),
        ("/account/members/remove", {}),
        ("/account/members/invitation/revoke", {"invitation": "x"}),
    ],
)
async def test_only_owners_and_admins_manage_members(
    role: Role,
    path: str,
    fields: dict[str, str],
    someone: MakeSomeone,
    database: Database,
    tenant: Tenant,
    outbox: Outbox,
) -> None:
    person, owner = (
        await someone(role, totp=True),
        await make_user(database, tenant, role=Role.OWNER),
    )
    before, letters = await roles_in(database, tenant), len(outbox.letters)
    response = await person.post(path, **({"member": str(owner.id)} | fields))
    assert response.status_code == 403
    assert await roles_in(database, tenant) == before
    assert len(outbox.letters) == letters


async def test_an_admin_neither_gives_nor_takes_the_role_of_owner(
    someone: MakeSomeone, database: Database, tenant: Tenant, email: str
) -> None:
    admin = await someone(Role.ADMIN, totp=True)
    owner = await make_user(database, tenant, role=Role.OWNER)
    await make_user(database, tenant, role=Role.OWNER)
    before = await roles_in(database, tenant)
    asked = await admin.post("/account/members/role", member=str(owner.id), role="viewer")
    form = Page(asked.text).form("/account/members/role")
    responses = [
        await admin.browser.submit(form, code=admin.code()),
        await admin.post("/account/members/role", member=str(admin.user.id), role="owner"),
        await admin.post("/account/members/remove", member=str(owner.id)),
        await admin.post("/account/members/invite", email=email, role="owner"),
    ]
    assert [response.status_code for response in responses] == [403] * 4
    assert all("Only an owner can give or take" in response.text for response in responses)
    assert await roles_in(database, tenant) == before


async def test_a_new_role_holds_at_once_and_ends_the_sign_ins_of_the_former(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner, colleague = await someone(totp=True), await someone(Role.VIEWER)
    response = await confirmed(
        owner, "/account/members/role", member=str(colleague.user.id), role="admin"
    )
    assert response.headers["location"] == "/account/members?done=changed"
    assert (await roles_in(database, tenant))[colleague.email] == "admin"
    assert (await colleague.browser.get("/account/members")).status_code == 303
    assert (await events_of(database, tenant))[-2:] == [
        ("member_role_changed", "success"),
        ("session_refused", "refused"),
    ]


async def test_who_changes_their_own_role_goes_on_under_a_new_cookie(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    """Rotation at a change of privilege: a copy of the former cookie is worth nothing."""
    owner = await someone(totp=True)
    await make_user(database, tenant, role=Role.OWNER)
    # A code was shown a moment ago, so that this form asks for none and rotates nothing by itself.
    await confirmed(owner, "/account/recovery-codes")
    same = await owner.post("/account/members/role", member=str(owner.user.id), role="owner")
    assert same.headers["location"] == "/account/members?done=changed"
    former = dict(owner.browser.http.cookies)
    response = await owner.post("/account/members/role", member=str(owner.user.id), role="viewer")
    assert response.headers["location"] == "/account/members?done=changed"
    assert (await roles_in(database, tenant))[owner.email] == "viewer"
    assert (await owner.browser.get("/account/members")).status_code == 200
    owner.browser.http.cookies.clear()
    owner.browser.http.cookies.update(former)
    assert (await owner.browser.get("/account/members")).status_code == 303


@pytest.mark.parametrize(
    ("path", "fields", "are_over"),
    [
        ("/account/members/remove", {}, {"admin", "viewer"}),
        ("/account/members/role", {"role": "operator"}, {"admin", "viewer"}),
        ("/account/members/role", {"role": "owner"}, set()),
    ],
    ids=["removed", "demoted", "promoted"],
)
async def test_nobody_mails_themselves_a_way_back_in(
    path: str,
    fields: dict[str, str],
    are_over: set[str],
    someone: MakeSomeone,
    browser: Browser,
    email: str,
    outbox: Outbox,
) -> None:
    """An invitation is as good as the rights of who sent it."""
    owner, admin = await someone(totp=True), await someone(Role.ADMIN, totp=True)
    await confirmed(admin, "/account/members/invite", email=f"a{email}", role="admin")
    await admin.post("/account/members/invite", email=f"v{email}", role="viewer")
    await owner.post("/account/members/invite", email=f"o{email}", role="viewer")
    await confirmed(owner, path, member=str(admin.user.id), **fields)
    links = {role: outbox.link_to(f"{role[0]}{email}") for role in ("admin", "viewer", "owner's")}
    statuses = {role: (await browser.get(link)).status_code for role, link in links.items()}
    assert {role for role, status in statuses.items() if status == 400} == are_over


async def test_with_a_removed_member_go_their_sign_ins_and_apps(
    someone: MakeSomeone,
    api: httpx2.AsyncClient,
    client: Client,
    authenticator: BearerAuthenticator,
    database: Database,
    tenant: Tenant,
) -> None:
    owner, colleague = await someone(totp=True), await someone(Role.OPERATOR)
    token = await connect(colleague.browser, api, client)
    await authenticator.authenticate(token)
    response = await confirmed(owner, "/account/members/remove", member=str(colleague.user.id))
    assert response.headers["location"] == "/account/members?done=removed"
    assert await roles_in(database, tenant) == {owner.email: "owner"}
    assert (await colleague.browser.get("/account/members")).status_code == 303
    refused = (await events_of(database, tenant))[-3:]
    assert refused == [
        ("member_removed", "success"),
        ("oauth_grant_revoked", "success"),
        ("session_refused", "refused"),
    ]
    # Added again later, what was connected before stays ended.
    async with database.transaction(tenant_id=tenant.id, user_id=colleague.user.id) as session:
        await session.execute(
            text("INSERT INTO memberships VALUES (:tenant, :person, 'operator', now())"),
            {"tenant": tenant.id, "person": colleague.user.id},
        )
    with pytest.raises(Exception, match="revoked"):
        await authenticator.authenticate(token)


async def test_a_removal_waits_for_an_app_that_gives_up_its_token_and_not_the_reverse(
    someone: MakeSomeone,
    api: httpx2.AsyncClient,
    client: Client,
    database: Database,
    tenant: Tenant,
) -> None:
    """Both end the grant and write to the trail: in one order, or they wait for each other."""
    owner, colleague = await someone(totp=True), await someone(Role.OPERATOR)
    await connect(colleague.browser, api, client)
    event = AuditEvent(event_type=EventType.OAUTH_GRANT_REVOKED, actor="a", actor_kind="connector")
    async with database.transaction(tenant_id=tenant.id) as session:
        grant_id = (await session.execute(text("SELECT id FROM oauth_grants"))).scalar_one()
        await revoke_grant(session, tenant_id=tenant.id, grant_id=grant_id)
        asked = await owner.post("/account/members/remove", member=str(colleague.user.id))
        form = Page(asked.text).form("/account/members/remove")
        removal = asyncio.create_task(owner.browser.submit(form, code=owner.code()))
        await asyncio.sleep(0.5)
        assert not removal.done()
        await append_events(session, tenant_id=tenant.id, events=[event])
    assert (await removal).headers["location"] == "/account/members?done=removed"
    assert await roles_in(database, tenant) == {owner.email: "owner"}


async def test_anybody_may_leave(someone: MakeSomeone, database: Database, tenant: Tenant) -> None:
    owner, colleague = await someone(), await someone(Role.VIEWER)
    response = await colleague.post("/account/members/remove", member=str(colleague.user.id))
    assert response.headers["location"] == "/sign-in?note=left"
    assert await roles_in(database, tenant) == {owner.email: "owner"}


@pytest.mark.parametrize(
    ("path", "fields"),
    [("/account/members/remove", {}), ("/account/members/role", {"role": "viewer"})],
)
async def test_the_last_owner_stays(
    path: str, fields: dict[str, str], someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner = await someone(totp=True)
    await make_user(database, tenant, role=Role.ADMIN)
    before = await roles_in(database, tenant)
    response = await confirmed(owner, path, member=str(owner.user.id), **fields)
    assert response.status_code == 400
    assert "This is the last owner" in Page(response.text).text
    assert await roles_in(database, tenant) == before


async def test_owners_who_remove_each_other_at_once_leave_one(
    database: Database, tenant: Tenant
) -> None:
    owners = [await make_user(database, tenant, role=Role.OWNER) for _ in range(6)]

    async def remove(index: int) -> bool:
        by = replace(
            principal_of(tenant, role=Role.OWNER, user_id=owners[index - 1].id),
            second_factor_at=utc_now(),
        )
        try:
            async with database.transaction(tenant_id=tenant.id) as session:
                await remove_member(
                    session, by=by, user_id=owners[index].id, fresh_within=timedelta(minutes=10)
                )
        except LastOwner:
            return False
        return True

    removed = await asyncio.gather(*(remove(index) for index in range(len(owners))))
    assert sorted(removed) == [False, True, True, True, True, True]
    assert list((await roles_in(database, tenant)).values()) == ["owner"]


async def test_the_database_itself_keeps_the_last_owner(database: Database, tenant: Tenant) -> None:
    await make_user(database, tenant, role=Role.OWNER)
    with pytest.raises(Exception, match="a tenant keeps an owner"):
        async with database.transaction(tenant_id=tenant.id) as session:
            await session.execute(text("DELETE FROM memberships"))
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(text("DELETE FROM tenants"))


async def test_members_of_another_tenant_are_neither_seen_nor_changed(
    someone: MakeSomeone, database: Database, other_tenant: Tenant
) -> None:
    owner = await someone(totp=True)
    foreign = await make_user(database, other_tenant, role=Role.VIEWER)
    response = await confirmed(owner, "/account/members/remove", member=str(foreign.id))
    assert response.status_code == 400
    assert foreign.email not in response.text
    assert await roles_in(database, other_tenant) == {foreign.email: "viewer"}


async def test_a_person_without_tenant_cannot_sign_in(
    browser: Browser, database: Database, tenant: Tenant
) -> None:
    user = await make_user(database, tenant, role=Role.VIEWER, password_hash=PASSWORD_HASH)
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(text("DELETE FROM memberships"))
    response = await browser.sign_in(user.email, PASSWORD)
    assert response.status_code == 400
    assert "belongs to no organisation" in response.text
    async with database.transaction(presented=user.email) as session:
        assert await account_by_email(session, email=user.email) is not None
    async with database.transaction(user_id=user.id) as session:
        assert await memberships_of(session, user_id=user.id) == []
