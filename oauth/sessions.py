"""Sign-ins in a browser: the cookie, who it stands for, and what keeps other sites from using it.

`POST /graphql` and other endpoints for scripts are protected by `is_same_site`: browsers say where
a request comes from (`Sec-Fetch-Site`, `Origin`), and a page cannot change that. `application/json`
makes the browser ask first as well, and we never allow it to others. Forms carry a token on top.
"""

from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from fastapi import Request, Response
from starlette.requests import HTTPConnection

from hub.principal import Principal
from hub.secret_box import SecretBox
from hub.settings import Settings
from hub.tenancy.sessions import digest_of, principal_of_session

_log = structlog.get_logger(__name__)

_SESSION = "monsys_session"
_FORM = "monsys_form"
_DEVICE = "monsys_device"
_CSRF_PURPOSE = "csrf"


async def session_principal(request: Request) -> Principal | None:
    """Return who is signed in with the request's cookie, None when nobody is."""
    settings: Settings = request.app.state.settings
    token = session_token(request, settings)
    if token is None:
        return None
    return await principal_of_session(
        request.app.state.database,
        token=token,
        idle=timedelta(minutes=settings.session_idle_minutes),
    )


def is_same_site(request: HTTPConnection) -> bool:
    """Tell whether a request that changes something comes from our own pages.

    `Sec-Fetch-Site` is the browser's own word; where it is missing (old browsers, plain http)
    `Origin` decides. A request with neither was not made by a browser on behalf of a page.
    """
    settings: Settings = request.app.state.settings
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    is_same = site in {"same-origin", "none"} if site is not None else origin is None
    if is_same or _is_known_origin(request, settings):
        return True
    _log.info("foreign_form_refused", path=request.scope.get("path"), site=site)
    return False


def _is_known_origin(request: HTTPConnection, settings: Settings) -> bool:
    known = {settings.public_app_origin, settings.api_origin, *settings.allowed_origins}
    return request.headers.get("origin", "").lower() in known


def session_token(request: HTTPConnection, settings: Settings) -> str | None:
    """Return the token in the session cookie."""
    return request.cookies.get(_cookie_name(_SESSION, settings)) or None


def form_token(request: Request, settings: Settings) -> str | None:
    """Return the token in the cookie that ties a sign-in form to its browser."""
    return request.cookies.get(_cookie_name(_FORM, settings)) or None


def set_session_cookie(response: Response, token: str, settings: Settings) -> None:
    """Sign the browser in."""
    _set(response, _SESSION, token, settings, timedelta(hours=settings.session_absolute_hours))


def set_form_cookie(response: Response, token: str, settings: Settings) -> None:
    """Tie a sign-in form to this browser, so that nobody signs a person in as somebody else."""
    _set(response, _FORM, token, settings, timedelta(hours=4))


def clear_session_cookie(response: Response, settings: Settings) -> None:
    """Sign the browser out."""
    _set(response, _SESSION, "", settings, timedelta(0))


def device_token(request: Request, settings: Settings) -> str | None:
    """Return the token by which a browser is known in which somebody signed in before."""
    return request.cookies.get(_cookie_name(_DEVICE, settings)) or None


def set_device_cookie(response: Response, token: str, settings: Settings) -> None:
    """Remember the browser, so that guesses made elsewhere cannot hold up who uses it."""
    _set(response, _DEVICE, token, settings, timedelta(days=400))


def csrf_token(box: SecretBox, *, cookie: str, form: str) -> str:
    """Return the proof that a form was made for the holder of this cookie, and for this purpose."""
    return box.mac(f"{digest_of(cookie)}\n{form}", purpose=_CSRF_PURPOSE)


def is_csrf_token(box: SecretBox, token: str, *, cookie: str, form: str) -> bool:
    """Tell whether the form came from us."""
    is_ours = box.verify(token, f"{digest_of(cookie)}\n{form}", purpose=_CSRF_PURPOSE)
    if not is_ours:
        _log.info("forged_form_refused", form=form.partition("\n")[0])
    return is_ours


def local_target(target: str) -> str:
    r"""Return where to go after sign-in: a path of ours, the start page for anything else.

    Browsers read `//host`, `/\host` and control characters as ways to another site.
    """
    if not target.startswith("/") or target.startswith("//") or "\\" in target:
        return "/"
    if not target.isascii() or not target.isprintable():
        return "/"
    parts = urlsplit(target)
    return "/" if parts.scheme or parts.netloc else target


def _is_https(settings: Settings) -> bool:
    return settings.public_app_origin.startswith("https://")


def _cookie_name(name: str, settings: Settings) -> str:
    """Return the cookie's name; `__Host-` keeps other hosts of the domain from setting it."""
    return f"__Host-{name}" if _is_https(settings) else name


def _set(
    response: Response, name: str, value: str, settings: Settings, lifetime: timedelta
) -> None:
    response.set_cookie(
        _cookie_name(name, settings),
        value,
        max_age=int(lifetime.total_seconds()),
        path="/",
        secure=_is_https(settings),
        httponly=True,
        samesite="lax",  # `strict` would sign people out when a client sends them to us
    )
