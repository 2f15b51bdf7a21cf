"""What the article prints, word for word; only the public origins are replaced in tests."""

API_ORIGIN = "https://api.monsys.ai"
APP_ORIGIN = "https://app.monsys.ai"

# The body of the article's first example, in the very bytes in which it is printed.
LIST_ALERTS_CALL = b"""{
"jsonrpc": "2.0",
"id": 1,
"method": "tools/call",
"params": {
"name": "monsys_list_alerts",
"arguments": {
"severity": "critical",
"limit": 10
}
}
}"""

DISCOVERY_DOCUMENT = """{
"issuer": "https://api.monsys.ai",
"authorization_endpoint": "https://app.monsys.ai/mcp/oauth/authorize",
"token_endpoint": "https://api.monsys.ai/mcp/oauth/token",
"registration_endpoint": "https://api.monsys.ai/mcp/oauth/register",
"scopes_supported": ["mcp.read", "mcp.acknowledge"],
"response_types_supported": ["code"],
"code_challenge_methods_supported": ["S256"]
}"""

# The -d argument of the article's curl line.
REGISTRATION_BODY = b"""{
"client_name": "claude-desktop",
"redirect_uris": ["https://claude.ai/oauth/callback"]
}"""
REDIRECT_URI = "https://claude.ai/oauth/callback"

TOKEN_TYPE = "Bearer"
TOKEN_SECONDS = 3600

# Tool and "typical Claude question", in the order of the article's table.
TYPICAL_QUESTIONS = {
    "monsys_kpi_summary": "Give me a morning briefing of my infra",
    "monsys_list_agents": "Which production servers are online?",
    "monsys_get_agent": "How is web-edge-01 doing?",
    "monsys_trust_score": "Has my Trust Score improved this week?",
    "monsys_list_alerts": "Which critical alerts are open?",
    "monsys_list_detections": "Were there any security events yesterday?",
    "monsys_get_detection": "Explain this detection event to me",
    "monsys_acknowledge_detection": "Ack detection event DEV-2026-0441",
    "monsys_list_kernel_cves": "Which kernel CVEs are still open?",
    "monsys_list_os_cves": "Which npm CVEs does my fleet have?",
    "monsys_list_sla_overview": "How close am I to my SLA threshold?",
    "monsys_audit_log_search": "Who ran Emergency Actions in the last week?",
}
WRITE_TOOL = "monsys_acknowledge_detection"

# CREATE TABLE mcp_call_log (…): name, type, nullable, default.
CALL_LOG_COLUMNS = [
    ("id", "uuid", "NO", "gen_random_uuid()"),
    ("tenant_id", "uuid", "NO", None),
    ("user_id", "uuid", "NO", None),
    ("tool_name", "text", "NO", None),
    ("args_hash", "text", "NO", None),
    ("result_status", "text", "NO", None),
    ("duration_ms", "integer", "NO", None),
    ("called_at", "timestamp with time zone", "YES", "now()"),
]
