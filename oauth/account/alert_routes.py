"""Alert rules and mutes: what opens alerts, what keeps them quiet, and the switches of both."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from hub.alerts.metrics import METRICS, RuleTarget
from hub.alerts.mutes import MUTES, mutes_page, unmute
from hub.alerts.rule_models import AlertRule
from hub.alerts.rule_queries import RULES, identity_of, rules_page
from hub.alerts.rule_words import duration_words
from hub.alerts.rules import delete_rule, install_rules, update_rule
from hub.alerts.templates import DEFAULTS
from hub.clock import utc_now
from hub.errors import InvalidInput
from hub.principal import Permission
from oauth.account.managing import Command, Section, now_and_request
from oauth.account.visit import Visit, visit
from oauth.language import t
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.service import OAuthDep

PATH = "/account/alerts"
ROWS_A_PAGE = 100
ASK_AN_OPERATOR = "Only owners, admins and operators may do this. Nothing was changed; ask one."
_NOTES = {
    "usual": "The usual rules are there, and watch from now on.",
    "enabled": "The rule is on. It opens alerts from now on.",
    "disabled": "The rule is off, and its open alerts are over.",
    "deleted": "The rule is deleted, and its open alerts are over.",
    "unmuted": "The mute is over. What it kept quiet and is still open is told now.",
}
_SAID = {
    "No alert rule": "This rule is not there. Look at the list again.",
    "No mute": "This mute is not there, or is over. Look at the list again.",
}

router = APIRouter(tags=["account"], default_response_class=HTMLResponse)


@router.get(PATH, responses=PAGE_RESPONSES)
async def show_rules(
    request: Request, oauth: OAuthDep, done: str = "", after: str = "", mutes_after: str = ""
) -> Response:
    """Show the rules and the mutes in force, a page of each at a time."""
    found = await visit(request, oauth)
    if isinstance(found, Response):
        return found
    try:
        return await _page(
            found, note=_NOTES.get(done), after=after or None, mutes_after=mutes_after or None
        )
    except InvalidInput:
        return found.go(PATH)  # no cursor of these lists: from the beginning


@router.post(
    f"{PATH}/enable", responses=PAGE_RESPONSES, openapi_extra=form_body(csrf_token="", rule="id")
)
async def enable(request: Request, oauth: OAuthDep) -> Response:
    """Turn a rule on."""
    return await _RULES.act(request, oauth, _switching(is_on=True), note="enabled")


@router.post(
    f"{PATH}/disable", responses=PAGE_RESPONSES, openapi_extra=form_body(csrf_token="", rule="id")
)
async def disable(request: Request, oauth: OAuthDep) -> Response:
    """Turn a rule off; its open alerts are over."""
    return await _RULES.act(request, oauth, _switching(is_on=False), note="disabled")


@router.post(
    f"{PATH}/delete", responses=PAGE_RESPONSES, openapi_extra=form_body(csrf_token="", rule="id")
)
async def delete(request: Request, oauth: OAuthDep) -> Response:
    """Delete a rule; its open alerts are over, and those of the past stay."""

    async def take_out(session: AsyncSession, found: Visit) -> None:
        rule_id = identity_of(found.fields.get("rule", ""), "No alert rule has this id.")
        await delete_rule(
            session, principal=found.person, rule_id=rule_id, **now_and_request(found)
        )

    return await _RULES.act(request, oauth, take_out, note="deleted")


@router.post(f"{PATH}/usual", responses=PAGE_RESPONSES, openapi_extra=form_body(csrf_token=""))
async def add_usual(request: Request, oauth: OAuthDep) -> Response:
    """Make the rules that new tenants have; those that are there stay as they are."""

    async def add(session: AsyncSession, found: Visit) -> None:
        await install_rules(
            session, principal=found.person, templates=DEFAULTS, **now_and_request(found)
        )

    return await _RULES.act(request, oauth, add, note="usual")


@router.post(
    f"{PATH}/unmute", responses=PAGE_RESPONSES, openapi_extra=form_body(csrf_token="", mute="id")
)
async def end_mute(request: Request, oauth: OAuthDep) -> Response:
    """End a mute; what is still open is told now."""

    async def end(session: AsyncSession, found: Visit) -> None:
        mute_id = identity_of(found.fields.get("mute", ""), "No mute has this id.")
        await unmute(session, principal=found.person, mute_id=mute_id, **now_and_request(found))

    return await _MUTES.act(request, oauth, end, note="unmuted")


def _switching(*, is_on: bool) -> Command:
    async def switch(session: AsyncSession, found: Visit) -> None:
        await update_rule(
            session,
            principal=found.person,
            rule_id=identity_of(found.fields.get("rule", ""), "No alert rule has this id."),
            changes={"is_enabled": is_on},
            **now_and_request(found),
        )

    return switch


def _condition(rule: AlertRule) -> str:
    """Return when the rule opens an alert, in the signs of GraphQL: they need no language."""
    limit = (
        f"{rule.metric.value} {rule.operator.sign} {rule.threshold:g}{METRICS[rule.metric].unit}"
    )
    return f"{limit}, {duration_words(rule.duration_seconds)}" if rule.duration_seconds else limit


def _whom(rule: AlertRule) -> str:
    """Return which hosts the rule looks at."""
    if rule.target is RuleTarget.AGENTS:
        return t("{number} hosts that were chosen", number=len(rule.agent_ids))
    return rule.tag or t("all hosts")


async def _page(
    found: Visit,
    *,
    status: int = 200,
    message: str | None = None,
    field: str | None = None,
    note: str | None = None,
    after: str | None = None,
    mutes_after: str | None = None,
) -> Response:
    async with found.oauth.database.transaction(tenant_id=found.person.tenant_id) as session:
        rules = await rules_page(session, first=ROWS_A_PAGE, after=after)
        mutes = await mutes_page(session, now=utc_now(), first=ROWS_A_PAGE, after=mutes_after)
    last = mutes.rows[-1].mute if mutes.has_next else None
    return found.page(
        "alerts.html",
        status=status,
        message=message,
        field=field,
        note=note,
        rules=[(rule, _condition(rule), _whom(rule), number) for rule, number in rules.rows],
        next_rules=RULES.cursor_at(rules.rows[-1][0].name) if rules.has_next else None,
        mutes=mutes.rows,
        next_mutes=MUTES.cursor_at(last.created_at, last.id) if last else None,
        is_first=after is None and mutes_after is None,
        may_change=found.person.may(_RULES.permission),
        may_unmute=found.person.may(_MUTES.permission),
    )


_RULES = Section(PATH, Permission.ALERT_RULES_MANAGE, _page, _SAID)
_MUTES = Section(PATH, Permission.ALERTS_MUTE, _page, _SAID, whom_to_ask=ASK_AN_OPERATOR)
