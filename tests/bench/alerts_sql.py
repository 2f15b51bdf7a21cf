"""The hub's statement for a page of alerts, by hand: what the servers beside the hub run.

They connect as the schema's owner, for whom there is no row-level security, so the tenant is in the
text instead. Columns, join, order, limit and count are the hub's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hub.alerts.queries import ALERTS
from hub.severity import Severity

ALERTS_PAGE = """
SELECT alerts.id, alerts.title, alerts.description, alerts.severity, alerts.category, alerts.state,
       alerts.opened_at, alerts.resolved_at, alerts.agent_id, agents.name AS agent_name,
       (SELECT count(*) FROM alerts WHERE alerts.tenant_id = $1 AND alerts.state = 'open') AS total
FROM alerts
LEFT JOIN agents ON agents.tenant_id = alerts.tenant_id AND agents.id = alerts.agent_id
WHERE alerts.tenant_id = $1 AND alerts.state = 'open'
ORDER BY alerts.severity_rank DESC, alerts.opened_at DESC, alerts.id DESC
LIMIT $2
"""


def page_of(rows: Sequence[Mapping[str, Any]], limit: int) -> dict[str, Any]:
    """Return the rows in the shape of the tool's answer."""
    shown = rows[:limit]
    page: dict[str, Any] = {
        "total": rows[0]["total"] if rows else 0,
        "alerts": [_alert(row) for row in shown],
    }
    if len(rows) > limit:
        last = shown[-1]
        cursor = ALERTS.cursor_at(Severity(last["severity"]), last["opened_at"], last["id"])
        page["page"] = {"next_cursor": cursor}
    return page


def _alert(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "title": row["title"],
        "description": row["description"],
        "severity": row["severity"],
        "category": row["category"],
        "agent": row["agent_name"],
        "opened_at": row["opened_at"].isoformat(),
    }
