"""Documentation that the hub serves itself: Markdown, a file a language, with its own addresses."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from hub.settings import Settings
from hub.web.rendering import language_of, page

# What passes to Claude: by tool, each field of its result and the kind of that field.
type Egress = Mapping[str, Sequence[tuple[str, str]]]


_HEADINGS = {
    "en": ("Tool", "What of its result passes to Claude"),
    "de": ("Werkzeug", "Was von seinem Ergebnis an Claude geht"),
}


class ConnectorGuide:
    """Answers `GET /docs/claude-connector`, to anybody."""

    def __init__(self, settings: Settings, egress: Egress) -> None:
        self._egress = egress
        self._names = {
            "{api_origin}": settings.api_origin,
            "{app_origin}": settings.public_app_origin,
            "{mcp_url}": settings.resource,
        }

    async def show(self, request: Request) -> Response:
        """Return the page."""
        language = language_of(request)
        text = _source(language).replace("{egress}", _egress_table(self._egress, language))
        for name, value in self._names.items():
            text = text.replace(name, value)
        # Our own Markdown; HTML in it is not passed through.
        content = Markup(_markdown().render(text))  # noqa: S704
        return page("documentation.html", language=language, content=content)


@cache
def _source(language: str) -> str:
    """Return one language's text. Both say the same, section by section: a test compares them."""
    return (files("hub.web") / "docs" / f"claude-connector.{language}.md").read_text("utf-8")


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _egress_table(egress: Egress, language: str) -> str:
    rows = [
        f"| `{tool}` | {', '.join(f'`{path}`' for path, _ in fields)} |"
        for tool, fields in egress.items()
    ]
    tool, passes = _HEADINGS[language]
    return "\n".join((f"| {tool} | {passes} |", "|---|---|", *rows))
