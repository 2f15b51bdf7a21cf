"""What is refused before any endpoint looks at a request: another host's name, and other frames.

Nothing of ours is made from the Host header; origins come from the settings. Still, a request for
another host was misdirected, by a wrong proxy or by an attacker who points a name of theirs at us
(DNS rebinding), and it is neither served nor passed over in silence.

That no page may be framed is said in headers, which is up to the browser. Today's browsers also say
what they fetch a page for, so a frame does not even get one.
"""

from urllib.parse import urlsplit

from fastapi import HTTPException, Request

from hub.settings import Environment, Settings
from oauth.models import StepKind
from oauth.service import OAuthDep, request_id_of
from oauth.throttle import address_of
from oauth.trace import Step
from oauth.turned_away import turn_away

FOREIGN_HOST = "This host is not served here."
FRAMED = "This page is not shown inside of another one."
_MISDIRECTED_REQUEST = 421
_FORBIDDEN = 403
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FRAMES = frozenset({"iframe", "frame", "fencedframe", "embed", "object"})


async def own_host(request: Request, oauth: OAuthDep) -> None:
    """Refuse a request for a host that is not ours."""
    if _is_own(request.headers.get("host", "").lower(), oauth.settings):
        return
    step = Step(
        kind=StepKind.REFUSED,
        request_id=request_id_of(request),
        details={"at": request.url.path, "error": "misdirected", "reason": FOREIGN_HOST},
    )
    await oauth.refusals.write(step, caller=address_of(request))
    raise HTTPException(_MISDIRECTED_REQUEST, FOREIGN_HOST)


async def no_frame(request: Request, oauth: OAuthDep) -> None:
    """Refuse to give a page to a frame of whichever site (RFC 9700 §4.16)."""
    if request.headers.get("sec-fetch-dest", "").lower() not in _FRAMES:
        return
    await turn_away(request, oauth, error="framed", reason=FRAMED)
    raise HTTPException(_FORBIDDEN, FRAMED, headers={"X-Frame-Options": "DENY"})


def _is_own(host: str, settings: Settings) -> bool:
    if host in _hosts_of(settings):
        return True
    if settings.environment is not Environment.DEVELOPMENT:
        return False
    try:
        return urlsplit(f"http://{host}").hostname in _LOOPBACK
    except ValueError:
        return False


def _hosts_of(settings: Settings) -> set[str]:
    """Return the Host headers that are ours: the default port may be written or left out."""
    hosts = {host.lower() for host in settings.allowed_hosts}
    for origin in (settings.api_origin, settings.public_app_origin):
        parts = urlsplit(origin)
        default = _DEFAULT_PORTS[parts.scheme]
        hosts.add(parts.netloc.lower())
        if parts.port in {None, default}:
            bare = parts.netloc.lower().removesuffix(f":{default}")
            hosts |= {bare, f"{bare}:{default}"}
    return hosts
