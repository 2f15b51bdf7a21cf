"""Connected apps: what one's own apps may do, and the end of it; for managers, everybody's."""

from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from hub.errors import Forbidden, InvalidInput
from hub.paging import Page
from hub.text import is_storable
from oauth.account.grants import (
    ConnectedApp,
    app_cursor,
    apps_of_others,
    own_apps,
    revoke_app,
)
from oauth.account.visit import Visit, submission, visit
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.service import OAuthDep
from oauth.turned_away import turn_away

PATH = "/account/apps"
_NOTES = {"revoked": "The app is disconnected. Its next call is refused."}

router = APIRouter(tags=["account"], default_response_class=HTMLResponse)


@router.get(PATH, responses=PAGE_RESPONSES)
async def show_apps(
    request: Request, oauth: OAuthDep, done: str = "", after: str = "", others_after: str = ""
) -> Response:
    """Show the apps, a page at a time."""
    found = await visit(request, oauth)
    if isinstance(found, Response):
        return found
    try:
        return await _page(
            found,
            note=_NOTES.get(done),
            after=after or None,
            others_after=others_after or None,
        )
    except InvalidInput:
        return found.go(PATH)  # no cursor of this list: from the beginning


@router.post(
    f"{PATH}/revoke",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", user="id", client="mcp_…", host="claude.ai"),
)
async def revoke(request: Request, oauth: OAuthDep) -> Response:
    """Disconnect an app. Without a code: what stops the flow of data must never be held up."""
    found = await submission(request, oauth, back=PATH)
    if isinstance(found, Response):
        return found
    client_id, host = found.fields.get("client", ""), found.fields.get("host", "")
    if not is_storable(client_id + host):
        return await _page(found)
    try:
        async with oauth.database.transaction(tenant_id=found.person.tenant_id) as session:
            await revoke_app(
                session,
                by=found.person,
                user_id=UUID(found.fields.get("user", "")),
                client_id=client_id,
                redirect_host=host,
            )
    except Forbidden as error:
        await turn_away(request, oauth, error="forbidden", reason=error.message)
        return await _page(found, status=403, message=error.message)
    except ValueError:
        return await _page(found)
    return found.go(PATH, done="revoked")


async def _page(
    found: Visit,
    *,
    status: int = 200,
    message: str | None = None,
    note: str | None = None,
    after: str | None = None,
    others_after: str | None = None,
) -> Response:
    async with found.oauth.database.transaction(tenant_id=found.person.tenant_id) as session:
        own = await own_apps(session, user_id=found.user_id, after=after)
        others: Page[ConnectedApp] = Page([], has_next=False)
        if found.may_manage:
            others = await apps_of_others(session, user_id=found.user_id, after=others_after)
    return found.page(
        "apps.html",
        status=status,
        message=message,
        note=note,
        own=own.rows,
        own_next=_next(own),
        is_first=after is None and others_after is None,
        others=others.rows,
        others_next=_next(others),
    )


def _next(apps: Page[ConnectedApp]) -> str | None:
    return app_cursor(apps.rows[-1]) if apps.has_next else None
