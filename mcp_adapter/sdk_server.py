"""The SDK's server: everything but calling a tool.

Tools are called by `mcp_adapter.transport` alone, so that there is one way to run a tool and it
passes the scope check and the log. This server has no handler for tools/call on purpose.
"""

from importlib.metadata import version
from typing import Any

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_adapter.eras import SERVED_VERSIONS
from mcp_adapter.prompts import (
    INSTRUCTIONS,
    MORNING_BRIEFING,
    MORNING_BRIEFING_DESCRIPTION,
    MORNING_BRIEFING_TEXT,
    MORNING_BRIEFING_TITLE,
)
from mcp_adapter.tools import tools

type _Context = ServerRequestContext[Any, Any]

SERVER_NAME = "monsys"
SERVER_TITLE = "monsys hub"
SERVER_VERSION = version("monsys-hub")
# Private, because a list may one day differ by what a token may do.
_CACHE_HINT = CacheHint(ttl_ms=300_000, scope="private")
_RESOURCE_NOT_FOUND_BEFORE_2026 = -32002


def build_server(*, website_url: str) -> Server[Any]:
    """Return the server that answers discovery, lists and prompts."""
    server: Server[Any] = Server(
        SERVER_NAME,
        version=SERVER_VERSION,
        title=SERVER_TITLE,
        description="The monsys connector: read-mostly access to one tenant's fleet.",
        instructions=INSTRUCTIONS,
        website_url=website_url,
        cache_hints={
            "server/discover": _CACHE_HINT,
            "tools/list": _CACHE_HINT,
            "prompts/list": _CACHE_HINT,
            "resources/list": _CACHE_HINT,
            "resources/templates/list": _CACHE_HINT,
        },
        on_list_tools=_list_tools,
        on_list_prompts=_list_prompts,
        on_get_prompt=_get_prompt,
        on_list_resources=_list_resources,
        on_list_resource_templates=_list_resource_templates,
        on_read_resource=_read_resource,
        get_tool_input_schema=lambda _name: None,  # no argument is mirrored into a header
    )

    async def discover(ctx: _Context, _params: types.RequestParams) -> types.DiscoverResult:
        # The SDK would name 2026-07-28 alone, and a newer client then has nothing to fall back to.
        return types.DiscoverResult(
            supported_versions=list(SERVED_VERSIONS),
            capabilities=server.get_capabilities(protocol_version=ctx.protocol_version),
            instructions=INSTRUCTIONS,
        )

    server.add_request_handler("server/discover", types.RequestParams, discover)
    return server


def _only_one_page(params: types.PaginatedRequestParams | None) -> None:
    if params is not None and params.cursor is not None:
        raise MCPError(code=types.INVALID_PARAMS, message="The list has one page; send no cursor.")


async def _list_tools(
    _ctx: _Context, params: types.PaginatedRequestParams | None
) -> types.ListToolsResult:
    _only_one_page(params)
    return types.ListToolsResult(
        tools=[types.Tool.model_validate(tool.definition) for tool in tools().values()]
    )


async def _list_prompts(
    _ctx: _Context, params: types.PaginatedRequestParams | None
) -> types.ListPromptsResult:
    _only_one_page(params)
    prompt = types.Prompt(
        name=MORNING_BRIEFING,
        title=MORNING_BRIEFING_TITLE,
        description=MORNING_BRIEFING_DESCRIPTION,
    )
    return types.ListPromptsResult(prompts=[prompt])


async def _get_prompt(
    _ctx: _Context, params: types.GetPromptRequestParams
) -> types.GetPromptResult:
    if params.name != MORNING_BRIEFING:
        message = f"There is one prompt: {MORNING_BRIEFING}."
        raise MCPError(code=types.INVALID_PARAMS, message=message)
    text = types.TextContent(type="text", text=MORNING_BRIEFING_TEXT)
    return types.GetPromptResult(
        description=MORNING_BRIEFING_DESCRIPTION,
        messages=[types.PromptMessage(role="user", content=text)],
    )


async def _list_resources(
    _ctx: _Context, params: types.PaginatedRequestParams | None
) -> types.ListResourcesResult:
    _only_one_page(params)
    return types.ListResourcesResult(resources=[])


async def _list_resource_templates(
    _ctx: _Context, params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    _only_one_page(params)
    return types.ListResourceTemplatesResult(resource_templates=[])


async def _read_resource(
    ctx: _Context, params: types.ReadResourceRequestParams
) -> types.ReadResourceResult:
    is_modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
    raise MCPError(
        code=types.INVALID_PARAMS if is_modern else _RESOURCE_NOT_FOUND_BEFORE_2026,
        message="There is no such resource.",
        data={"uri": str(params.uri)[:200]},
    )
