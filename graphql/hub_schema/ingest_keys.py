"""GraphQL face of ingest keys: the dashboard lists, makes and revokes them."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from hub.ingest.keys.commands import accept_unknown_hosts, create_ingest_key, revoke_ingest_key
from hub.ingest.keys.models import IngestSource
from hub.ingest.keys.queries import KeyRow, ingest_keys, key_by_id, unknown_hosts_accepted
from hub.principal import Permission
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded, guarded_mutation, leaf, part
from hub_schema.enums import describe

describe(
    IngestSource,
    "What an ingest key may send.",
    {
        IngestSource.ALERTMANAGER: "Alerts of Alertmanager.",
        IngestSource.CYCLONEDX: "Bills of materials.",
        IngestSource.FALCO: "Events of Falco and falcosidekick.",
        IngestSource.OTLP: "Metrics of OpenTelemetry.",
        IngestSource.SERVICE_LEVELS: "Good and total counts of service levels.",
        IngestSource.SIGNALS: "Signals of the Trust Score.",
        IngestSource.WAZUH: "Alerts of Wazuh.",
    },
)


@strawberry.type(name="IngestKey", description="A key with which another tool delivers.")
class IngestKeyType:
    """One key; its text is not known to us."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "Id, by which it is revoked.")
    source: IngestSource = leaf(EgressClass.AUDIT_METADATA, "What it may send.")
    name: str = leaf(EgressClass.AUDIT_METADATA, "What it is for.")
    default_host: str | None = leaf(
        EgressClass.HOST_IDENTITY, "Whom a payload is about that names no host; null for nobody."
    )
    made_by: str = leaf(EgressClass.PERSON, "Who made it.")
    created_at: datetime = leaf(EgressClass.TIME, "When it was made.")
    last_used_at: datetime | None = leaf(
        EgressClass.TIME, "When it was last used, to within five minutes; null for never."
    )
    revoked_at: datetime | None = leaf(EgressClass.TIME, "Since when it opens nothing; or null.")

    @classmethod
    def of(cls, row: KeyRow) -> Self:
        """Shape one row."""
        return cls(
            id=row.id,
            source=row.source,
            name=row.name,
            default_host=row.default_host,
            made_by=row.made_by,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
        )


@strawberry.type(description="By which doors other tools deliver.")
class IngestSettings:
    """The tenant's keys and its switch."""

    accepts_unknown_hosts: bool = leaf(
        EgressClass.AUDIT_METADATA,
        "Whether hosts that only other tools speak of become known, and take places of the plan.",
    )
    keys: list[IngestKeyType] = part("All keys, the living ones first.")


@strawberry.input(description="What a new key is for.")
class CreateIngestKeyInput:
    """Arguments of createIngestKey."""

    source: IngestSource = strawberry.field(description="What it may send.")
    name: str = strawberry.field(description="What it is for, at most 100 characters.")
    default_host: str | None = strawberry.field(
        description="Whom a payload is about that names no host.", default=None
    )


@strawberry.input(description="Which key is to open nothing any more.")
class RevokeIngestKeyInput:
    """Arguments of revokeIngestKey."""

    id: UUID = strawberry.field(description="Id of the key.")


@strawberry.input(description="Whether hosts that nobody enrolled become known.")
class AcceptUnknownHostsInput:
    """Arguments of acceptUnknownHosts."""

    accepts: bool = strawberry.field(description="Whether they do.")


@strawberry.type(description="The new key. Its text is shown this once.")
class CreateIngestKeyPayload:
    """Answer of createIngestKey."""

    key: str = leaf(EgressClass.SECRET, "The key itself, `mik_…`. It cannot be shown again.")
    ingest_key: IngestKeyType = part("What lists show of it.")


@strawberry.type(description="The key as it is now.")
class RevokeIngestKeyPayload:
    """Answer of revokeIngestKey."""

    ingest_key: IngestKeyType = part("The key.")


@strawberry.type(description="The switch as it is now.")
class AcceptUnknownHostsPayload:
    """Answer of acceptUnknownHosts."""

    accepts_unknown_hosts: bool = leaf(EgressClass.AUDIT_METADATA, "Whether they become known.")


@strawberry.type(name="Query")
class IngestKeyQuery:
    """Ingest field of the query root."""

    @guarded(Permission.TENANT_MANAGE, "Keys of other tools, and what they may bring.")
    async def ingest_settings(self, info: Info) -> IngestSettings:
        """Delegate."""
        context = info.context
        tenant_id = context.principal.tenant_id
        return IngestSettings(
            accepts_unknown_hosts=await context.work.run(
                unknown_hosts_accepted, tenant_id=tenant_id
            ),
            keys=[IngestKeyType.of(row) for row in await context.work.run(ingest_keys)],
        )


@strawberry.type(name="Mutation")
class IngestKeyMutation:
    """Ingest fields of the mutation root."""

    @guarded_mutation(
        Permission.TENANT_MANAGE, "Make a key for another tool. Logged.", idempotent=False
    )
    async def create_ingest_key(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002 - the name every mutation's argument has
            CreateIngestKeyInput, strawberry.argument(description="What it is for.")
        ],
    ) -> CreateIngestKeyPayload:
        """Delegate."""
        context = info.context
        made = await context.work.run(
            create_ingest_key,
            by=context.principal,
            source=input.source,
            name=input.name,
            default_host=input.default_host,
            now=context.now,
            request_id=context.request_id,
        )
        return CreateIngestKeyPayload(key=made.key, ingest_key=await _shown(info, made.id))

    @guarded_mutation(Permission.TENANT_MANAGE, "Make a key open nothing any more. Logged.")
    async def revoke_ingest_key(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            RevokeIngestKeyInput, strawberry.argument(description="Which.")
        ],
    ) -> RevokeIngestKeyPayload:
        """Delegate."""
        context = info.context
        await context.work.run(
            revoke_ingest_key,
            by=context.principal,
            key_id=input.id,
            now=context.now,
            request_id=context.request_id,
        )
        return RevokeIngestKeyPayload(ingest_key=await _shown(info, input.id))

    @guarded_mutation(
        Permission.TENANT_MANAGE,
        "Let hosts that only other tools speak of become known, or no longer. Logged.",
    )
    async def accept_unknown_hosts(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            AcceptUnknownHostsInput, strawberry.argument(description="Whether they do.")
        ],
    ) -> AcceptUnknownHostsPayload:
        """Delegate."""
        context = info.context
        await context.work.run(
            accept_unknown_hosts,
            by=context.principal,
            accepts=input.accepts,
            now=context.now,
            request_id=context.request_id,
        )
        return AcceptUnknownHostsPayload(accepts_unknown_hosts=input.accepts)


async def _shown(info: Info, key_id: UUID) -> IngestKeyType:
    row = await info.context.work.run(key_by_id, key_id=key_id)
    assert row is not None  # noqa: S101 - it was written in this transaction
    return IngestKeyType.of(row)
