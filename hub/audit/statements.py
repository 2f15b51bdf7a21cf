"""The statements with which rows are appended: few round trips, because the next call waits.

Rows travel as one JSON parameter each, so the text is the same for one row and for five hundred.
"""

from typing import Any

from sqlalchemy import Table, bindparam, column, func, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

from hub.audit.events import GENESIS_HASH
from hub.audit.models import AuditHead, AuditRow, McpCall
from hub.prepared import PreparedRead, PreparedWrite

_HEADS: Table = AuditHead.__table__  # type: ignore[attr-defined]
_ROWS: Table = AuditRow.__table__  # type: ignore[attr-defined]
_CALLS: Table = McpCall.__table__  # type: ignore[attr-defined]


def _insert_records(table: Table, parameter: str) -> Any:
    """Return the insertion of all records in a JSON list; their keys are the table's columns."""
    typed = [column(each.name, each.type) for each in table.columns]
    records = func.jsonb_to_recordset(bindparam(parameter, type_=JSONB)).table_valued(*typed)
    named = records.render_derived(name=parameter, with_types=True)
    names = [each.name for each in table.columns]
    return insert(table).from_select(names, select(*named.c)).cte(f"inserted_{parameter}")


LOCK_HEAD = PreparedRead(
    select(_HEADS.c.seq, _HEADS.c.hash)
    .where(_HEADS.c.tenant_id == bindparam("tenant_id"))
    .with_for_update()
)
MAKE_HEAD = PreparedWrite(
    postgresql.insert(_HEADS)
    .values(tenant_id=bindparam("tenant_id"), seq=0, hash=GENESIS_HASH)
    .on_conflict_do_nothing()
)
_MOVE_HEAD = (
    update(_HEADS)
    .where(_HEADS.c.tenant_id == bindparam("of_tenant_id"))
    .values(seq=bindparam("last_seq"), hash=bindparam("last_hash"))
)
APPEND_ROWS = PreparedWrite(_MOVE_HEAD.add_cte(_insert_records(_ROWS, "audit_rows")))
APPEND_CALLS = PreparedWrite(
    _MOVE_HEAD.add_cte(_insert_records(_CALLS, "mcp_calls"), _insert_records(_ROWS, "audit_rows"))
)
