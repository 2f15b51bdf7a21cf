"""What a field needs and where its value may go: declared on the field, printed into the SDL."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, override

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.schema_directive import Location

from hub.errors import Forbidden
from hub.principal import SCOPE_BY_PERMISSION, Permission
from hub_schema.context import Info
from hub_schema.enums import describe


class EgressClass(StrEnum):
    """What kind of information a leaf field holds."""

    ALERT_TEXT = "alert_text"
    AUDIT_METADATA = "audit_metadata"
    COUNT = "count"
    DETECTION_METADATA = "detection_metadata"
    HOST_IDENTITY = "host_identity"
    HOST_METRIC = "host_metric"
    IDENTIFIER = "identifier"
    PERSON = "person"
    SCORE = "score"
    SERVICE_LEVEL = "service_level"
    TIME = "time"
    VULNERABILITY = "vulnerability"
    # These never pass to Claude: an operation under operations/mcp that selects one does not load.
    AGENT_RAW = "agent_raw"
    AI_TRACE = "ai_trace"
    AUDIT_BODY = "audit_body"
    SECRET = "secret"  # noqa: S105 - a class of information


NEVER_TO_CLAUDE = frozenset(
    {
        EgressClass.AGENT_RAW,
        EgressClass.AI_TRACE,
        EgressClass.AUDIT_BODY,
        EgressClass.SECRET,
    }
)

describe(
    EgressClass,
    "What kind of information a leaf field holds.",
    {
        EgressClass.ALERT_TEXT: "Titles, descriptions and classification of alerts.",
        EgressClass.AUDIT_METADATA: "Event type, actor, time, outcome and metadata of audit rows.",
        EgressClass.COUNT: "How many of something.",
        EgressClass.DETECTION_METADATA: "What a rule saw: kind, addresses, accounts, processes.",
        EgressClass.HOST_IDENTITY: "Names, addresses, tags and systems of hosts.",
        EgressClass.HOST_METRIC: "Measured figures of hosts.",
        EgressClass.IDENTIFIER: "Ids and cursors.",
        EgressClass.PERSON: "Which person did something.",
        EgressClass.SCORE: "Trust Score numbers and what they are made of.",
        EgressClass.SERVICE_LEVEL: "Targets and observations of service levels.",
        EgressClass.TIME: "When something happened.",
        EgressClass.VULNERABILITY: "CVE identifiers, packages and versions.",
        EgressClass.AGENT_RAW: "Raw data of a host. Never passes to Claude.",
        EgressClass.AI_TRACE: "Prompts and completions. Never pass to Claude.",
        EgressClass.AUDIT_BODY: "Full text of audit rows. Never passes to Claude.",
        EgressClass.SECRET: "Credentials and secrets. Never pass to Claude.",
    },
)


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="requires",
    description="The permission that the caller must hold, and the connector's scope granting it.",
)
class Requires:
    """Printed beside every field that checks a permission."""

    permission: str
    scope: str | None = None


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="egress",
    description="What kind of information this leaf holds; decides whether it may pass to Claude.",
)
class Egress:
    """Printed beside every leaf; a leaf without it never passes to Claude."""

    class_: EgressClass = strawberry.directive_field(name="class")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="effect",
    description="What a mutation does to the world; a connector's tool gets its hints from here,"
    " and a destructive mutation never becomes one.",
)
class Effect:
    """Printed beside every mutation."""

    idempotent: bool
    destructive: bool


class RequirePermission(FieldExtension):
    """Refuses the field unless the caller holds the permission."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    @override
    async def resolve_async(
        self, next_: Callable[..., Any], source: Any, info: Info, **kwargs: Any
    ) -> Any:
        if not info.context.principal.may(self.permission):
            raise Forbidden(f"This needs the permission {self.permission.value}.")
        return await next_(source, info, **kwargs)


def guarded(permission: Permission, description: str, **options: Any) -> Any:
    """Declare a resolver's field that needs a permission."""
    scope = SCOPE_BY_PERMISSION.get(permission)
    requires = Requires(permission=permission.value, scope=scope.value if scope else None)
    return strawberry.field(
        description=f"{description} Needs the permission `{permission.value}`.",
        directives=[requires],
        extensions=[RequirePermission(permission)],
        **options,
    )


def guarded_mutation(
    permission: Permission,
    description: str,
    *,
    idempotent: bool = True,
    destructive: bool = False,
) -> Any:
    """Declare a mutation that needs a permission, and say what it does to the world."""
    scope = SCOPE_BY_PERMISSION.get(permission)
    requires = Requires(permission=permission.value, scope=scope.value if scope else None)
    return strawberry.mutation(
        description=f"{description} Needs the permission `{permission.value}`.",
        directives=[requires, Effect(idempotent=idempotent, destructive=destructive)],
        extensions=[RequirePermission(permission)],
    )


def leaf(egress: EgressClass, description: str, **options: Any) -> Any:
    """Declare a leaf field: what it means, and what kind of information it holds."""
    return strawberry.field(description=description, directives=[Egress(class_=egress)], **options)


def part(description: str, **options: Any) -> Any:
    """Declare a field that holds an object or a list of objects; its leaves say what they are."""
    return strawberry.field(description=description, **options)
