"""The mutation of the Trust Score: an owner changes how much each component counts."""

from typing import Annotated

import strawberry

from hub.principal import Permission
from hub.trust.models import TrustComponent
from hub.trust.reading import trust_score
from hub.trust.weights import FRESH_WITHIN, change_weights
from hub_schema.context import Info
from hub_schema.directives import guarded_mutation, part
from hub_schema.trust import TrustScoreType


@strawberry.input(description="How much one component counts.")
class TrustWeightInput:
    """One weight."""

    component: TrustComponent = strawberry.field(description="Which part.")
    weight: float = strawberry.field(description="From 0 to 1000; only their proportions matter.")


@strawberry.input(description="How much each component counts.")
class ChangeTrustWeightsInput:
    """Arguments of changeTrustWeights."""

    weights: list[TrustWeightInput] = strawberry.field(
        description="One for each of the eight components, at least one of them above 0."
    )


@strawberry.type(description="The score with the weights that are now in force.")
class ChangeTrustWeightsPayload:
    """Answer of changeTrustWeights."""

    trust_score: TrustScoreType = part("The score as it is now.")


@strawberry.type(name="Mutation")
class TrustMutation:
    """Trust Score field of the mutation root."""

    @guarded_mutation(
        Permission.TENANT_MANAGE,
        "Change how much each component counts; kept as a new version, and logged. Only an owner"
        f" who showed a one-time code in the last {FRESH_WITHIN.total_seconds() / 60:.0f} minutes.",
    )
    async def change_trust_weights(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002 - the name every mutation's argument has
            ChangeTrustWeightsInput, strawberry.argument(description="The new weights.")
        ],
    ) -> ChangeTrustWeightsPayload:
        """Delegate, and show the score afterwards."""
        context = info.context
        await context.work.run(
            change_weights,
            principal=context.principal,
            weights={one.component: one.weight for one in input.weights},
            now=context.now,
            request_id=context.request_id,
        )
        score = await context.work.run(trust_score, now=context.now)
        return ChangeTrustWeightsPayload(trust_score=TrustScoreType.of(score))
