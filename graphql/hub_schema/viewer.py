"""GraphQL face of the caller: who am I, and what may I do."""

import strawberry

from hub.principal import PrincipalKind, Role
from hub.tenancy.queries import tenant_name
from hub_schema.context import Info
from hub_schema.directives import EgressClass, leaf
from hub_schema.enums import describe

describe(
    Role,
    "What a member of a tenant is.",
    {
        Role.OWNER: "May do everything, settings included.",
        Role.ADMIN: "May manage the tenant.",
        Role.OPERATOR: "Triages detections and runs emergency actions.",
        Role.ANALYST: "Reads, and explores the schema.",
        Role.VIEWER: "Reads.",
    },
)
describe(
    PrincipalKind,
    "By which door a caller came in.",
    {
        PrincipalKind.SESSION: "A person, signed in.",
        PrincipalKind.CONNECTOR: "A connector acting for a person.",
        PrincipalKind.AGENT: "A host's agent.",
        PrincipalKind.SYSTEM: "The hub itself.",
    },
)


@strawberry.type(description="Who is asking, and what they may do.")
class Viewer:
    """The caller."""

    email: str = leaf(EgressClass.PERSON, "E-mail address of the person who asks.")
    kind: PrincipalKind = leaf(EgressClass.PERSON, "By which door the caller came in.")
    tenant: str = leaf(EgressClass.PERSON, "Name of the tenant in which the caller acts.")
    role: Role | None = leaf(
        EgressClass.PERSON, "Role in that tenant; null for callers that are no members."
    )
    permissions: list[str] = leaf(EgressClass.PERSON, "What the caller may do, sorted.")


@strawberry.type(name="Query")
class ViewerQuery:
    """Viewer field of the query root."""

    @strawberry.field(description="Who is asking. Needs no permission: it tells callers of none.")
    async def viewer(self, info: Info) -> Viewer:
        """Shape what is known of the caller."""
        principal = info.context.principal
        return Viewer(
            email=principal.label,
            kind=principal.kind,
            tenant=await info.context.work.run(tenant_name, tenant_id=principal.tenant_id),
            role=principal.role,
            permissions=sorted(principal.permissions),
        )
