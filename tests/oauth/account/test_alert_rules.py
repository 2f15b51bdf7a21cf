"""The page of alert rules: told as they stand, turned off and on, deleted; mutes are ended."""

from uuid import UUID

import pytest

from hub.alerts.mutes import MuteLength, MuteSubject, mute, mutes_page
from hub.alerts.rule_models import AlertRule
from hub.alerts.rule_queries import rules_page
from hub.alerts.rules import create_rule
from hub.alerts.templates import DEFAULTS
from hub.clock import utc_now
from hub.database import Database
from hub.principal import Role
from hub.tenancy.models import Tenant
from tests.factories import make_agent, person
from tests.hub.alerts.scene import spec
from tests.oauth.account.conftest import MakeSomeone
from tests.oauth.browser import Page
from tests.oauth.trail import events_of

PATH = "/account/alerts"


async def a_rule(database: Database, tenant: Tenant, name: str = "CPU is busy") -> UUID:
    by = person(tenant, role=Role.ADMIN)
    async with database.transaction(tenant_id=tenant.id) as session:
        made = spec(name=name, duration_seconds=300)
        return await create_rule(session, principal=by, spec=made, now=utc_now())


async def a_mute(database: Database, tenant: Tenant, subject: MuteSubject) -> UUID:
    async with database.transaction(tenant_id=tenant.id) as session:
        return await mute(
            session,
            principal=person(tenant),
            subject=subject,
            length=MuteLength.FOUR_HOURS,
            reason="<known>",
            now=utc_now(),
        )


async def rules_of(database: Database, tenant: Tenant) -> list[AlertRule]:
    async with database.transaction(tenant_id=tenant.id) as session:
        return [rule for rule, _ in (await rules_page(session, first=100)).rows]


async def count_mutes(database: Database, tenant: Tenant) -> int:
    async with database.transaction(tenant_id=tenant.id) as session:
        return len((await mutes_page(session, now=utc_now(), first=100)).rows)


async def test_a_rule_is_told_and_turned_off_and_on(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    await a_rule(database, tenant)
    owner = await someone()
    page = await owner.page(PATH)
    told = "Opens at cpu_pct > 80 %, 5 min Severity high Looks at all hosts Open alerts 0"
    assert f"CPU is busy on {told}" in page.text
    response = await owner.browser.submit(page.form(f"{PATH}/disable"))
    assert response.headers["location"] == f"{PATH}?done=disabled"
    assert [rule.is_enabled for rule in await rules_of(database, tenant)] == [False]
    off = await owner.page(f"{PATH}?done=disabled")
    assert "The rule is off, and its open alerts are over." in off.text
    assert f"CPU is busy off {told}" in off.text
    await owner.browser.submit(off.form(f"{PATH}/enable"))
    assert [rule.is_enabled for rule in await rules_of(database, tenant)] == [True]
    assert [kind for kind, _ in await events_of(database, tenant)][-2:] == [
        "alert_rule_updated",
        "alert_rule_updated",
    ]


async def test_a_deleted_rule_is_gone(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    await a_rule(database, tenant)
    owner = await someone()
    form = (await owner.page(PATH)).form(f"{PATH}/delete")
    assert (await owner.browser.submit(form)).headers["location"] == f"{PATH}?done=deleted"
    assert await rules_of(database, tenant) == []
    assert (await owner.browser.submit(form)).status_code == 400


async def test_where_no_rule_is_the_usual_ones_are_offered(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner = await someone()
    form = (await owner.page(PATH)).form(f"{PATH}/usual")
    viewer = await someone(Role.VIEWER)
    assert f"{PATH}/usual" not in [one.action for one in (await viewer.page(PATH)).forms]
    assert (await viewer.post(f"{PATH}/usual")).status_code == 403
    assert await rules_of(database, tenant) == []
    assert (await owner.browser.submit(form)).headers["location"] == f"{PATH}?done=usual"
    await owner.browser.submit(form)  # again: what is there stays as it is
    assert sorted(str(rule.template) for rule in await rules_of(database, tenant)) == sorted(
        DEFAULTS
    )
    page = await owner.page(f"{PATH}?done=usual")
    assert "The usual rules are there, and watch from now on." in page.text
    assert f"{PATH}/usual" not in [one.action for one in page.forms]


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.OPERATOR])
async def test_operators_too_end_mutes(
    role: Role, someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant, name="web-01")
    await a_mute(database, tenant, MuteSubject(agent_id=agent.id))
    member = await someone(role)
    page = await member.page(PATH)
    assert "UTC Made by operator@example.com Reason <known> End" in page.text
    response = await member.browser.submit(page.form(f"{PATH}/unmute"))
    assert response.headers["location"] == f"{PATH}?done=unmuted"
    assert await count_mutes(database, tenant) == 0
    assert ("alerts_unmuted", "success") in await events_of(database, tenant)


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
async def test_others_see_both_and_change_neither(
    role: Role, someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    rule = await a_rule(database, tenant)
    muted = await a_mute(database, tenant, MuteSubject(rule_id=rule))
    member = await someone(role)
    page = await member.page(PATH)
    assert "Here you see how they stand." in page.text
    assert "Opens at cpu_pct > 80 %, 5 min" in page.text
    assert "Mutes in force CPU is busy Until" in page.text
    assert [form.action for form in page.forms] == ["/sign-out"]
    assert (await member.post(f"{PATH}/delete", rule=str(rule))).status_code == 403
    assert (await member.post(f"{PATH}/unmute", mute=str(muted))).status_code == 403
    assert len(await rules_of(database, tenant)) == await count_mutes(database, tenant) == 1


async def test_other_tenants_rules_and_mutes_are_not_found(
    someone: MakeSomeone, database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    rule = await a_rule(database, other_tenant, "theirs")
    muted = await a_mute(database, other_tenant, MuteSubject(rule_id=rule))
    owner = await someone(of=tenant)
    assert "theirs" not in (await owner.page(PATH)).text
    for action in ("enable", "disable", "delete"):
        refused = await owner.post(f"{PATH}/{action}", rule=str(rule))
        assert refused.status_code == 400
        assert "This rule is not there." in Page(refused.text).text
    assert (await owner.post(f"{PATH}/unmute", mute=str(muted))).status_code == 400
    assert [one.is_enabled for one in await rules_of(database, other_tenant)] == [True]
    assert await count_mutes(database, other_tenant) == 1


async def test_a_long_list_goes_on_over_the_page(
    someone: MakeSomeone, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oauth.account.alert_routes.ROWS_A_PAGE", 1)
    for name in ("first", "second"):
        rule = await a_rule(database, tenant, name)
        await a_mute(database, tenant, MuteSubject(rule_id=rule))
    owner = await someone()
    text = (await owner.browser.get(PATH)).text
    for more, shown in (("after", "second"), ("mutes_after", "first")):
        link = text.partition(f'href="{PATH}?{more}=')[2].partition('"')[0]
        page = await owner.page(f"{PATH}?{more}={link}")
        heading = "Rules" if more == "after" else "Mutes in force"
        assert f"{heading} {shown}" in page.text
    assert (await owner.browser.get(f"{PATH}?mutes_after=x")).headers["location"] == PATH
