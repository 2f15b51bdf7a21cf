"""The pages people see: templates, their style, and the headers that keep other sites out."""

import base64
import hashlib
from importlib.resources import files
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from oauth.language import language, t

_STYLE = (files("oauth") / "pages" / "style.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

PAGE_HEADERS = {
    # No script at all, and the one style by its hash. `form-action` is left out on purpose:
    # browsers apply it to the whole chain of redirects after a form, which ends at the client.
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: browsers then say `Origin: null` when our own forms are sent.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_templates = Environment(
    loader=ChoiceLoader([PackageLoader("oauth", "pages"), PackageLoader("oauth.account", "pages")]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals["t"] = t


def page(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page; every value is escaped."""
    values = {"lang": language(), "style": Markup(_STYLE)} | values  # noqa: S704 - our own file
    text = _templates.get_template(template).render(values)
    headers = PAGE_HEADERS | {"Content-Language": language(), "Vary": "Accept-Language"}
    return HTMLResponse(text, status, headers=headers)


def problem_page(
    title: str,
    message: str,
    *,
    status: int = 400,
    request_id: str | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return a page that says what is wrong, where there is nowhere to send the person."""
    return page(
        "problem.html",
        status=status,
        title=title,
        message=message,
        request_id=request_id,
        **values,
    )
