"""Ingest keys: with which other tools deliver; made, shown once with their setup, and revoked."""

from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from hub.errors import InvalidInput, NotFound
from hub.ingest.keys.commands import (
    MAX_NAME_CHARACTERS,
    IssuedKey,
    accept_unknown_hosts,
    create_ingest_key,
    revoke_ingest_key,
)
from hub.ingest.keys.models import IngestSource
from hub.ingest.keys.queries import KeyRow, ingest_keys, unknown_hosts_accepted
from hub.principal import Permission
from oauth.account.ingest_setup import SOURCE_NAMES, setup_of
from oauth.account.managing import Section, now_and_request
from oauth.account.visit import Visit, visit
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.service import OAuthDep

PATH = "/account/ingest"
_NO_SOURCE = "`source` is none of ours."
_NOTES = {
    "revoked": "The key is revoked: what is sent with it is refused from now on.",
    "hosts": "The setting is saved. It holds from the next delivery on.",
}
_SAID = {
    "`source` is": "Source: choose one of the list.",
    "`name` must": "Name: say what the key is for.",
    "`name` may": "Name: at most 100 characters.",
    "`name` holds": "Name: it holds characters that are not text.",
    "`default_host` must": "Host: 1 to 253 letters, digits or . _ : @ - and first a letter or"
    " digit, as host names are. Or leave it empty.",
    "A tenant may have": "There are 200 keys already. Revoke some first.",
    "No ingest key": "This key is not there. Look at the list again.",
}

router = APIRouter(tags=["account"], default_response_class=HTMLResponse)


@router.get(PATH, responses=PAGE_RESPONSES)
async def show_keys(request: Request, oauth: OAuthDep, done: str = "") -> Response:
    """Show the keys to managers, and to others whom to ask."""
    found = await visit(request, oauth)
    if isinstance(found, Response):
        return found
    return await _page(found, note=_NOTES.get(done))


@router.post(
    f"{PATH}/key",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", source="otlp", name="Rotterdam", default_host=""),
)
async def make_key(request: Request, oauth: OAuthDep) -> Response:
    """Make a key, and show it once with what its tool needs."""
    found = await _KEYS.submission(request, oauth)
    if isinstance(found, Response):
        return found

    async def make(session: AsyncSession) -> tuple[IssuedKey, IngestSource]:
        source = _source(found)
        issued = await create_ingest_key(
            session,
            by=found.person,
            source=source,
            name=found.fields.get("name", ""),
            default_host=found.fields.get("default_host", "").strip() or None,
            **now_and_request(found),
        )
        return issued, source

    made = await _KEYS.carry_out(found, make)
    if isinstance(made, Response):
        return made
    issued, source = made
    return found.page(
        "ingest_key.html",
        key=issued.key,
        source=SOURCE_NAMES[source],
        setup=setup_of(source, origin=oauth.settings.api_origin, key=issued.key),
    )


@router.post(
    f"{PATH}/key/revoke",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", key="id"),
)
async def revoke_key(request: Request, oauth: OAuthDep) -> Response:
    """Make a key open nothing any more."""

    async def revoke(session: AsyncSession, found: Visit) -> None:
        await revoke_ingest_key(
            session, by=found.person, key_id=_key_id(found), **now_and_request(found)
        )

    return await _KEYS.act(request, oauth, revoke, note="revoked")


@router.post(
    f"{PATH}/unknown-hosts",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", accepts="yes"),
)
async def set_unknown_hosts(request: Request, oauth: OAuthDep) -> Response:
    """Let hosts that only other tools speak of become known, or no longer."""

    async def change(session: AsyncSession, found: Visit) -> None:
        await accept_unknown_hosts(
            session,
            by=found.person,
            accepts="accepts" in found.fields,
            **now_and_request(found),
        )

    return await _KEYS.act(request, oauth, change, note="hosts")


def _source(found: Visit) -> IngestSource:
    text = found.fields.get("source", "")
    if text not in set(IngestSource):
        raise InvalidInput(_NO_SOURCE, field="source")
    return IngestSource(text)


def _key_id(found: Visit) -> UUID:
    try:
        return UUID(found.fields.get("key", ""))
    except ValueError:
        raise NotFound("No ingest key has this id.", field="id") from None


async def _page(
    found: Visit,
    *,
    status: int = 200,
    message: str | None = None,
    field: str | None = None,
    note: str | None = None,
) -> Response:
    keys: list[KeyRow] = []
    accepts = False
    may_manage = found.person.may(Permission.TENANT_MANAGE)
    if may_manage:
        tenant_id = found.person.tenant_id
        async with found.oauth.database.transaction(tenant_id=tenant_id) as session:
            keys = await ingest_keys(session)
            accepts = await unknown_hosts_accepted(session, tenant_id=tenant_id)
    return found.page(
        "ingest.html",
        status=status,
        message=message,
        field=field,
        note=note,
        keys=keys,
        accepts=accepts,
        sources=SOURCE_NAMES,
        most_characters=MAX_NAME_CHARACTERS,
        typed={"source": "", "name": "", "default_host": ""} | dict(found.fields),
    )


_KEYS = Section(PATH, Permission.TENANT_MANAGE, _page, _SAID)
