"""`POST /api/v1/service-levels`: good and total counts of what a customer measures themselves."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from hub.clock import utc_now
from hub.ingest.authentication import Agent
from hub.sla.counts import Count, record_counts

MAX_COUNTS = 1_000


class Counted(BaseModel):
    """How five minutes went."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    at: AwareDatetime = Field(description="Start of the five minutes, such as 08:05:00Z.")
    good: float = Field(ge=0, le=1e15, description="How many went well.")
    total: float = Field(ge=0, le=1e15, description="How many there were; 0 is unknown, not up.")

    @model_validator(mode="after")
    def _good_is_part_of_total(self) -> "Counted":
        if self.good > self.total:
            raise ValueError("good must not be more than total")
        return self


class Counts(BaseModel):
    """Counts of one target; sent again, the newer word about the same five minutes replaces."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    target: Annotated[str, Field(min_length=1, max_length=200, description="Its name or id.")]
    counts: Annotated[
        list[Counted], Field(min_length=1, max_length=MAX_COUNTS, description="In any order.")
    ]


class CountsAccepted(BaseModel):
    """The counts are stored durably."""

    status: str = Field("accepted", description="Always `accepted`.")


async def take_counts(counts: Counts, agent: Agent) -> CountsAccepted:
    """Store good and total counts of a target whose indicator is `custom`.

    A target that is about one host takes counts from that host's agent only. With an ingest key of
    the source `service_levels` (`Authorization: Bearer mik_…`) instead of a signature, any target
    of the tenant takes them; then the answer is that of the other endpoints for ingest keys.
    """
    await record_counts(
        agent.session,
        tenant_id=agent.tenant_id,
        agent_id=agent.agent_id,
        target=counts.target,
        counts=[Count(one.at, one.good, one.total) for one in counts.counts],
        now=utc_now(),
    )
    return CountsAccepted()


def add_service_level_routes(
    router: APIRouter, responses: dict[int | str, dict[str, object]]
) -> None:
    """Add the route of service levels to those through which agents report."""
    router.add_api_route(
        "/service-levels",
        take_counts,
        methods=["POST"],
        status_code=202,
        summary="Store counts of a service level",
        response_description="The counts are stored durably.",
        responses=responses,
    )
