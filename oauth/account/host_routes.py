"""Hosts: who reports, how many the plan covers, and tokens by which another machine enrols."""

from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from hub.clock import utc_now
from hub.errors import InvalidInput
from hub.fleet.enrolling import create_enrolment_token, revoke_enrolment_token
from hub.fleet.enrollment import PLAN_IS_FULL
from hub.fleet.enrolment_tokens import (
    DEFAULT_LIFETIME,
    LONGEST_LIFETIME,
    IssuedToken,
    pending_tokens,
)
from hub.fleet.places import Places, plan_places, without_agent
from hub.fleet.queries import AGENTS, AgentRow, agent_id_of, agents_page
from hub.fleet.retirement import retire_agent
from hub.fleet.status import AgentStatus, status_at
from hub.principal import Permission
from oauth.account.managing import Section, now_and_request
from oauth.account.visit import Visit, visit
from oauth.language import t
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.service import OAuthDep

PATH = "/account/hosts"
HOSTS_A_PAGE = 50
_MINUTE = timedelta(minutes=1)
_MOST_DIGITS = 9
_NOTES = {
    "withdrawn": "The token is withdrawn: nobody can enrol with it any more.",
    "retired": "The server is retired: its key is trusted no more, and its place is free.",
}
_SAID = {
    "`minutes` must": "Good for: say 1 to 10080 minutes, which is 7 days.",
    "`name` must": "Server: 1 to 253 letters, digits or . _ : @ - and first a letter or digit, as"
    " host names are. Or leave it empty.",
    "`tags` must": "Tags: at most 50 of the form key:value, such as env:production, with commas"
    " between them.",
    "tokens are waiting": "There are 1,000 tokens that nobody used yet. Withdraw some first.",
    "No token that": "This token cannot be used any more: it was used, withdrawn or has expired.",
    "No agent has": "This server is not there. Look at the list again.",
}

router = APIRouter(tags=["account"], default_response_class=HTMLResponse)


@router.get(PATH, responses=PAGE_RESPONSES)
async def show_hosts(
    request: Request, oauth: OAuthDep, done: str = "", after: str = ""
) -> Response:
    """Show the servers, a page at a time; to managers also the tokens that are out."""
    found = await visit(request, oauth)
    if isinstance(found, Response):
        return found
    try:
        return await _page(found, note=_NOTES.get(done), after=after or None)
    except InvalidInput:
        return found.go(PATH)  # no cursor of this list: from the beginning


@router.post(
    f"{PATH}/token",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", name="web-01", tags="env:production", minutes="60"),
)
async def make_token(request: Request, oauth: OAuthDep) -> Response:
    """Make a token with which one machine can enrol, and show the command to run there, once."""
    found = await _HOSTS.submission(request, oauth)
    if isinstance(found, Response):
        return found

    async def make(session: AsyncSession) -> tuple[IssuedToken, Places]:
        issued = await create_enrolment_token(
            session,
            by=found.person,
            name=found.fields.get("name", "").strip() or None,
            tags=_tags(found),
            lifetime=_lifetime(found),
            **now_and_request(found),
        )
        return issued, await plan_places(session, tenant_id=found.person.tenant_id)

    made = await _HOSTS.carry_out(found, make)
    if isinstance(made, Response):
        return made
    issued, places = made
    origin = oauth.settings.api_origin
    return found.page(
        "enrolment_token.html",
        issued=issued,
        command=enrol_command(origin, issued.token),
        full=_full(places),
    )


@router.post(
    f"{PATH}/token/withdraw",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", id="digest"),
)
async def withdraw_token(request: Request, oauth: OAuthDep) -> Response:
    """Make a token useless that nobody used yet."""

    async def withdraw(session: AsyncSession, found: Visit) -> None:
        token_id = found.fields.get("id", "").replace("\0", "")
        await revoke_enrolment_token(
            session, by=found.person, token_id=token_id, **now_and_request(found)
        )

    return await _HOSTS.act(request, oauth, withdraw, note="withdrawn")


@router.post(
    f"{PATH}/retire",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", host="id"),
)
async def retire(request: Request, oauth: OAuthDep) -> Response:
    """Trust a server's key no more and free its place in the plan."""

    async def take_out(session: AsyncSession, found: Visit) -> None:
        agent_id = await agent_id_of(session, found.fields.get("host", ""))
        await retire_agent(
            session, principal=found.person, agent_id=agent_id, **now_and_request(found)
        )

    return await _HOSTS.act(request, oauth, take_out, note="retired")


def enrol_command(origin: str, token: str) -> str:
    """Return the complete command line to run on the machine."""
    command = f"monsys agent enroll --url {origin} --token {token} --install-service"
    # A hub in the clear is for trying things out; its agents refuse it unless they are told.
    return command if origin.startswith("https://") else f"{command} --allow-plain-http"


def _lifetime(found: Visit) -> timedelta:
    """Return how long the token is to be good; what is no number is none that may be chosen."""
    minutes = found.fields.get("minutes", str(DEFAULT_LIFETIME // _MINUTE)).strip()
    if not (minutes.isascii() and minutes.isdigit()):
        return timedelta()
    return _MINUTE * int(minutes[:_MOST_DIGITS])


def _tags(found: Visit) -> list[str]:
    return [tag for one in found.fields.get("tags", "").split(",") if (tag := one.strip())]


def _full(places: Places) -> str | None:
    """Return what enrolling a new server would be answered, once the plan is full."""
    if not places.is_full:
        return None
    return t(PLAN_IS_FULL, plan=places.plan, limit=places.limit, number=places.taken)


def _state(row: AgentRow, now: datetime) -> str:
    if row.last_seen_at is None:
        return "has not reported yet"
    is_online = status_at(row.last_seen_at, now) is AgentStatus.ONLINE
    return "online" if is_online else "offline"


async def _page(
    found: Visit,
    *,
    status: int = 200,
    message: str | None = None,
    field: str | None = None,
    note: str | None = None,
    after: str | None = None,
) -> Response:
    now = utc_now()
    async with found.oauth.database.transaction(tenant_id=found.person.tenant_id) as session:
        hosts = await agents_page(session, now=now, first=HOSTS_A_PAGE, after=after)
        foreign = await without_agent(session, [row.id for row in hosts.rows])
        places = await plan_places(session, tenant_id=found.person.tenant_id)
        tokens = await pending_tokens(session, now=now) if found.may_manage else []
    return found.page(
        "hosts.html",
        status=status,
        message=message,
        field=field,
        note=note,
        hosts=[(row, _state(row, now), row.id in foreign) for row in hosts.rows],
        next_page=AGENTS.cursor_at(hosts.rows[-1].name) if hosts.has_next else None,
        is_first=after is None,
        places=places,
        full=_full(places),
        tokens=tokens,
        most_minutes=LONGEST_LIFETIME // _MINUTE,
        typed={"name": "", "tags": "", "minutes": str(DEFAULT_LIFETIME // _MINUTE)}
        | dict(found.fields),
    )


_HOSTS = Section(PATH, Permission.TENANT_MANAGE, _page, _SAID)
