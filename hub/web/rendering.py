"""Pages from templates, and the headers that keep other sites and stray scripts out."""

import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

STYLE_SHEET = "home.css"
_STYLE_VERSION = hashlib.sha256((files("hub.web") / "static" / STYLE_SHEET).read_bytes())

COMMON_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: browsers then say `Origin: null` when our own forms are sent.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_PAGE_HEADERS = COMMON_HEADERS | {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    )
}

_templates = Environment(
    loader=PackageLoader("hub.web", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page; every value is escaped."""
    style = f"/assets/{STYLE_SHEET}?v={_STYLE_VERSION.hexdigest()[:12]}"
    text = _templates.get_template(template).render(style=style, **values)
    return HTMLResponse(text, status, headers=_PAGE_HEADERS)
