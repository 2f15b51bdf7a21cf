"""How bad something is: one scale for alerts, detections, vulnerabilities and signals."""

from enum import StrEnum

from sqlalchemy import ColumnElement, Computed, SmallInteger, case, literal
from sqlmodel import Field


class Severity(StrEnum):
    """How bad something is, from nothing to act on to everything stops."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info to 4 for critical: the order in which lists put the worst first."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}
_RANK_SQL = (
    "CASE severity "
    + " ".join(f"WHEN '{severity.value}' THEN {rank}" for severity, rank in _RANKS.items())
    + " END"
)


def severity_rank() -> int:
    """Return a generated column with the rank, so an index can put the worst first."""
    column: int = Field(
        default=None, sa_type=SmallInteger, sa_column_args=(Computed(_RANK_SQL, persisted=True),)
    )
    return column


def severity_of(rank: ColumnElement[int]) -> ColumnElement[str]:
    """Return the severity with this rank, for statements that take the worst of a group."""
    return case(
        *((rank == number, literal(severity.value)) for severity, number in _RANKS.items()),
        else_=literal(Severity.INFO.value),
    )
