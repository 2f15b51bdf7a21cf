"""GraphQL face of enrolment: the dashboard makes tokens, and retires servers."""

from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

import strawberry

from hub.fleet.enrolling import create_enrolment_token, revoke_enrolment_token
from hub.fleet.enrolment_tokens import IssuedToken, PendingToken, pending_tokens
from hub.fleet.queries import agent_id_of
from hub.fleet.retirement import retire_agent
from hub.principal import Permission
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded, guarded_mutation, leaf, part


@strawberry.type(
    name="EnrolmentToken", description="What lets one machine enrol, and was not used yet."
)
class EnrolmentTokenType:
    """A token as lists show it; its text is not known to us."""

    id: str = leaf(EgressClass.IDENTIFIER, "Id, by which it is revoked.")
    name: str | None = leaf(
        EgressClass.HOST_IDENTITY, "The one server it is good for; null for any."
    )
    tags: list[str] = leaf(EgressClass.HOST_IDENTITY, "Tags that the server gets.")
    made_by: str = leaf(EgressClass.PERSON, "Who made it.")
    created_at: datetime = leaf(EgressClass.TIME, "When it was made.")
    expires_at: datetime = leaf(EgressClass.TIME, "Until when it can be used.")

    @classmethod
    def of(cls, row: PendingToken) -> Self:
        """Shape one row."""
        return cls(
            id=row.id,
            name=row.name,
            tags=list(row.tags),
            made_by=row.made_by,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )


@strawberry.input(description="What the token is good for.")
class CreateEnrolmentTokenInput:
    """Arguments of createEnrolmentToken."""

    name: str | None = strawberry.field(
        description="The one server it is good for, whichever machine that is now; otherwise the"
        " machine names itself.",
        default=None,
    )
    tags: list[str] = strawberry.field(
        description="Tags that the server gets: key:value.", default_factory=list
    )
    minutes: int = strawberry.field(description="How long it can be used: 1 to 10080.", default=60)


@strawberry.input(description="Which token to take back.")
class RevokeEnrolmentTokenInput:
    """Arguments of revokeEnrolmentToken."""

    id: str = strawberry.field(description="Its id, as the list shows it.")


@strawberry.input(description="Which server to retire.")
class RetireAgentInput:
    """Arguments of retireAgent."""

    agent: str = strawberry.field(description="Its name or id.")


@strawberry.type(description="The new token. Its text is shown this once.")
class CreateEnrolmentTokenPayload:
    """Answer of createEnrolmentToken."""

    token: str = leaf(EgressClass.SECRET, "The token, `met_…`. It cannot be shown again.")
    enrolment_token: EnrolmentTokenType = part("What lists show of it.")

    @classmethod
    def of(cls, issued: IssuedToken, *, made_by: str, now: datetime) -> Self:
        """Shape a token that was just made."""
        pending = PendingToken(issued.id, issued.name, issued.tags, made_by, now, issued.expires_at)
        return cls(token=issued.token, enrolment_token=EnrolmentTokenType.of(pending))


@strawberry.type(description="The token opens nothing any more.")
class RevokeEnrolmentTokenPayload:
    """Answer of revokeEnrolmentToken."""

    id: str = leaf(EgressClass.IDENTIFIER, "Id of the token.")


@strawberry.type(description="The server may not report any more.")
class RetireAgentPayload:
    """Answer of retireAgent."""

    agent_id: UUID = leaf(EgressClass.IDENTIFIER, "Id of the server.")
    has_changed: bool = leaf(EgressClass.HOST_IDENTITY, "False when it was retired before.")


@strawberry.type(name="Query")
class EnrolmentQuery:
    """Enrolment field of the query root."""

    @guarded(
        Permission.TENANT_MANAGE,
        "Enrolment tokens that can still be used, soonest to expire first.",
    )
    async def enrolment_tokens(self, info: Info) -> list[EnrolmentTokenType]:
        """Delegate."""
        rows = await info.context.work.run(pending_tokens, now=info.context.now)
        return [EnrolmentTokenType.of(row) for row in rows]


@strawberry.type(name="Mutation")
class EnrolmentMutation:
    """Enrolment fields of the mutation root."""

    @guarded_mutation(
        Permission.TENANT_MANAGE,
        "Make a token with which one machine can enrol, once and soon. Logged.",
        idempotent=False,
    )
    async def create_enrolment_token(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002 - the name every mutation's argument has
            CreateEnrolmentTokenInput, strawberry.argument(description="What it is good for.")
        ],
    ) -> CreateEnrolmentTokenPayload:
        """Delegate."""
        context = info.context
        issued = await context.work.run(
            create_enrolment_token,
            by=context.principal,
            now=context.now,
            name=input.name,
            tags=input.tags,
            lifetime=timedelta(minutes=input.minutes),
            request_id=context.request_id,
        )
        return CreateEnrolmentTokenPayload.of(
            issued, made_by=context.principal.label, now=context.now
        )

    @guarded_mutation(
        Permission.TENANT_MANAGE,
        "Make a token useless that was not used yet. Logged.",
        idempotent=False,
    )
    async def revoke_enrolment_token(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            RevokeEnrolmentTokenInput, strawberry.argument(description="Which.")
        ],
    ) -> RevokeEnrolmentTokenPayload:
        """Delegate."""
        context = info.context
        await context.work.run(
            revoke_enrolment_token,
            by=context.principal,
            token_id=input.id,
            now=context.now,
            request_id=context.request_id,
        )
        return RevokeEnrolmentTokenPayload(id=input.id)

    @guarded_mutation(
        Permission.TENANT_MANAGE,
        "Trust a server's key no more and free its place in the plan; its past stays. Enrolling the"
        " machine again brings it back. Logged.",
        destructive=True,
    )
    async def retire_agent(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            RetireAgentInput, strawberry.argument(description="Which.")
        ],
    ) -> RetireAgentPayload:
        """Delegate."""
        context = info.context
        agent_id = await context.work.run(agent_id_of, input.agent)
        has_changed = await context.work.run(
            retire_agent,
            principal=context.principal,
            agent_id=agent_id,
            now=context.now,
            request_id=context.request_id,
        )
        return RetireAgentPayload(agent_id=agent_id, has_changed=has_changed)
