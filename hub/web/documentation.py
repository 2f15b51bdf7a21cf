"""Documentation that the hub serves itself: Markdown from this package, with its own addresses."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from hub.settings import Settings
from hub.web.rendering import page

# What passes to Claude: by tool, each field of its result and the kind of that field.
type Egress = Mapping[str, Sequence[tuple[str, str]]]


class ConnectorGuide:
    """Answers `GET /docs/claude-connector`, to anybody."""

    def __init__(self, settings: Settings, egress: Egress) -> None:
        self._names = {
            "{api_origin}": settings.api_origin,
            "{app_origin}": settings.public_app_origin,
            "{mcp_url}": settings.resource,
            "{egress}": _egress_table(egress),
        }

    async def show(self, _request: Request) -> Response:
        """Return the page."""
        text = _source()
        for name, value in self._names.items():
            text = text.replace(name, value)
        # Our own Markdown; HTML in it is not passed through.
        return page("documentation.html", content=Markup(_markdown().render(text)))  # noqa: S704


@cache
def _source() -> str:
    return (files("hub.web") / "docs" / "claude-connector.md").read_text("utf-8")


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _egress_table(egress: Egress) -> str:
    rows = [
        f"| `{tool}` | {', '.join(f'`{path}`' for path, _ in fields)} |"
        for tool, fields in egress.items()
    ]
    return "\n".join(("| Tool | What of its result passes to Claude |", "|---|---|", *rows))
