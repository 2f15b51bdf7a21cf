"""What became of a payload's items: which were stored, which were not, and why."""

from dataclasses import dataclass, field

from pydantic import BaseModel, Field

MAX_LISTED = 50


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one item was not stored. The words are ours: nothing of the payload stands in them."""

    index: int
    field: str
    reason: str


@dataclass(slots=True)
class Outcome:
    """Counts, reasons and remarks of one payload."""

    accepted: int = 0
    unchanged: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, index: int, at: str, reason: str) -> None:
        """Note that an item was not stored."""
        self.refusals.append(Refusal(index, at, reason))

    @property
    def is_refused(self) -> bool:
        """Whether nothing of it was of use."""
        return bool(self.refusals) and not self.accepted and not self.unchanged


class RejectedItem(BaseModel):
    """One item that was not stored."""

    index: int = Field(description="Which item of the payload, counted from 0.")
    field: str = Field(description="Which field is wrong.")
    reason: str = Field(description="Why, and what to do.")


class Delivered(BaseModel):
    """What became of the payload. What is accepted is stored durably."""

    status: str = Field(description="`accepted`, `partial` or `refused`.")
    accepted: int = Field(description="How many items changed something.")
    unchanged: int = Field(description="How many were known already, or have nothing to store.")
    rejected_count: int = Field(description="How many were not stored.")
    rejected: list[RejectedItem] = Field([], description=f"Which and why, the first {MAX_LISTED}.")
    notes: list[str] = Field([], description="What was ignored, and other remarks.")

    @classmethod
    def of(cls, outcome: Outcome) -> "Delivered":
        """Shape the answer."""
        status = "partial" if outcome.refusals else "accepted"
        return cls(
            status="refused" if outcome.is_refused else status,
            accepted=outcome.accepted,
            unchanged=outcome.unchanged,
            rejected_count=len(outcome.refusals),
            rejected=[
                RejectedItem(index=one.index, field=one.field, reason=one.reason)
                for one in sorted(outcome.refusals, key=lambda one: one.index)[:MAX_LISTED]
            ],
            notes=outcome.notes,
        )
