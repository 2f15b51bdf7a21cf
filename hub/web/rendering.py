"""Pages from templates, in two languages, under headers that keep other sites and scripts out."""

import hashlib
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from hub.language import catalogue, negotiated

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


def language_of(request: Request) -> str:
    """Return the language in which this request is answered."""
    return negotiated(request.headers.get("accept-language", ""))


def page(
    template: str, *, language: str, status: int = HTTPStatus.OK, **values: Any
) -> HTMLResponse:
    """Return a page in this language; every value is escaped."""
    translated = catalogue("hub.web", language)

    def t(text: str, /, **names: object) -> Markup:
        """Return our own text, whose markup is meant; what is filled in is escaped."""
        return Markup(translated.get(text, text)).format(**names)  # noqa: S704

    def number(value: float, form: str) -> str:
        written = format(value, form)
        return written.replace(".", ",") if language == "de" else written

    style = f"/assets/{STYLE_SHEET}?v={_STYLE_VERSION.hexdigest()[:12]}"
    text = _templates.get_template(template).render(
        lang=language, t=t, number=number, style=style, **values
    )
    headers = _PAGE_HEADERS | {"Content-Language": language, "Vary": "Accept-Language"}
    return HTMLResponse(text, status, headers=headers)
