"""The connector's switches of one organisation."""

from dataclasses import asdict, replace

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from hub.errors import HubError
from hub.tenancy.connector_settings import (
    CHANGED_MEANWHILE,
    LONGEST_STAY_DAYS,
    ConnectorSettings,
    change_connector_settings,
    connector_settings,
)
from oauth.account.step_up import fresh
from oauth.account.visit import Visit, submission, visit
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.service import OAuthDep
from oauth.turned_away import turn_away

PATH = "/account/connector"
NO_DAYS = "Staying connected lasts 1 to 365 days."
MANAGERS_ONLY = "Only owners and admins change these settings."
_NOTES = {"saved": "The settings are saved. They hold from the next call on."}

router = APIRouter(tags=["account"], default_response_class=HTMLResponse)


@router.get(PATH, responses=PAGE_RESPONSES)
async def show_connector(request: Request, oauth: OAuthDep, done: str = "") -> Response:
    """Show the switches; those who may not change them see how they stand."""
    found = await visit(request, oauth)
    if isinstance(found, Response):
        return found
    return await _page(found, await _stored(found), note=_NOTES.get(done))


@router.post(
    PATH,
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(
        csrf_token="",
        claude_may_read="yes",
        claude_may_acknowledge="yes",
        stay_connected="yes",
        stay_connected_days="30",
        strict_residency="yes",
        code="",
    ),
)
async def change(request: Request, oauth: OAuthDep) -> Response:
    """Store the switches; opening under strict residency needs a fresh code."""
    found = await submission(request, oauth, back=PATH)
    if isinstance(found, Response):
        return found
    stored = await _stored(found)
    if not found.may_manage:
        await turn_away(request, oauth, error="forbidden", reason=MANAGERS_ONLY)
        return await _page(found, stored, status=403, message=MANAGERS_ONLY)
    wanted = _wanted(found, stored)
    is_old = found.fields.get("seen", _seen(stored)) != _seen(stored)
    if wanted is None or is_old:
        message = CHANGED_MEANWHILE if is_old else NO_DAYS
        return await _page(found, stored, status=400, message=message)
    ready = await fresh(found) if wanted.needs_second_factor(stored) else found
    if isinstance(ready, Response):
        return ready
    try:
        async with oauth.database.transaction(tenant_id=ready.person.tenant_id) as session:
            await change_connector_settings(
                session,
                by=ready.person,
                settings=wanted,
                made_from=stored,
                fresh_within=ready.fresh_within,
            )
    except HubError as error:
        return ready.refusal(error, "connector.html", **_values(ready, await _stored(ready)))
    return ready.go(PATH, done="saved")


async def _stored(found: Visit) -> ConnectorSettings:
    async with found.oauth.database.transaction(tenant_id=found.person.tenant_id) as session:
        return await connector_settings(session)


def _wanted(found: Visit, stored: ConnectorSettings) -> ConnectorSettings | None:
    fields = found.fields
    days = fields.get("stay_connected_days", str(stored.stay_connected_days)).strip()
    if not (days.isascii() and days.isdigit() and 1 <= int(days[:4]) <= LONGEST_STAY_DAYS):
        return None
    return replace(
        stored,
        claude_may_read="claude_may_read" in fields,
        claude_may_acknowledge="claude_may_acknowledge" in fields,
        strict_residency="strict_residency" in fields,
        stay_connected="stay_connected" in fields,
        stay_connected_days=int(days[:4]),
    )


def _seen(settings: ConnectorSettings) -> str:
    """Return what a form was made from: sent later, it must not undo what others did since."""
    return " ".join(str(value) for value in asdict(settings).values())


async def _page(
    found: Visit,
    settings: ConnectorSettings,
    *,
    status: int = 200,
    message: str | None = None,
    note: str | None = None,
) -> Response:
    values = _values(found, settings) | {"note": note}
    return found.page("connector.html", status=status, message=message, **values)


def _values(found: Visit, settings: ConnectorSettings) -> dict[str, object]:
    return {
        "settings": settings,
        "seen": _seen(settings),
        "longest": LONGEST_STAY_DAYS,
        "connector_url": found.oauth.settings.api_origin,
        "note": None,
    }
