"""The call that is measured: `monsys_list_alerts`, ten alerts, as a 2026-07-28 client sends it."""

import orjson

TOOL = "monsys_list_alerts"
LIMIT = 10
REVISION = "2026-07-28"


def call_request(port: int, token: str | None) -> bytes:
    """Return the HTTP request for a server on this port."""
    body = orjson.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {
                "name": TOOL,
                "arguments": {"limit": LIMIT},
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": REVISION,
                    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        }
    )
    headers = {
        "Host": f"127.0.0.1:{port}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": REVISION,
        "Mcp-Method": "tools/call",
        "Mcp-Name": TOOL,
        "Content-Length": str(len(body)),
    }
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    lines = ["POST /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
