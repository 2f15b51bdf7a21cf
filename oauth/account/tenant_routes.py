"""The switcher of a person who belongs to several organisations."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from hub.tenancy.sessions import new_session_token, rotate_session
from oauth.account.security_routes import PATH as SECURITY_PATH
from oauth.account.visit import submission
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.service import OAuthDep
from oauth.sessions import local_target

router = APIRouter(tags=["account"], default_response_class=HTMLResponse)


@router.post(
    "/account/tenant",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", tenant="example", next="/account/security"),
)
async def switch_tenant(request: Request, oauth: OAuthDep) -> Response:
    """Go on in another of the person's organisations, with a new cookie."""
    found = await submission(request, oauth, back=SECURITY_PATH)
    if isinstance(found, Response):
        return found
    slug = found.fields.get("tenant", "")
    chosen = next((tenant for tenant in found.memberships if tenant.slug == slug), found.tenant)
    target = local_target(found.fields.get("next", SECURITY_PATH))
    new_token = new_session_token()
    async with oauth.database.transaction(user_id=found.user_id) as session:
        await rotate_session(
            session, token=found.token, new_token=new_token, tenant_id=chosen.tenant_id
        )
    return found.with_cookie(new_token, found.person).go(target)
