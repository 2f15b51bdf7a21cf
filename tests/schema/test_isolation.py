"""Nothing of another tenant, through any root field, by any of its ids and names.

The cases are made from the schema: a root field that is added is asked as well, and one with an
argument that nobody knows a value for fails here until it gets one.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from graphql import (
    ExecutionResult,
    GraphQLArgument,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLObjectType,
    GraphQLOutputType,
    execute,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
    parse,
    validate,
)

from hub.clock import utc_now
from hub.database import Database, UnitOfWork
from hub.principal import Principal, Role
from hub.secret_box import SecretBox
from hub.tenancy.models import Tenant
from hub_schema.context import Context
from hub_schema.errors import presented
from hub_schema.operations import GRAPHQL_SCHEMA
from tests.factories import connector, make_tenant, person
from tests.schema.foreign_tenant import Names, populate

assert GRAPHQL_SCHEMA.query_type is not None
assert GRAPHQL_SCHEMA.mutation_type is not None
QUERIES = GRAPHQL_SCHEMA.query_type.fields
# These make something new or set something of the caller's own tenant; what they may name of
# another one is tested with their commands (tests/hub/test_sla_isolation.py).
MAKING = {
    *("createAlertRule", "installAlertTemplates", "muteAlerts", "declareMaintenanceWindow"),
    *("createEnrolmentToken", "createWebhook", "createIngestKey", "acceptUnknownHosts"),
    *("allowPrivateProbes", "changeTrustWeights", "createSlaTarget", "changeDetectionRule"),
    *("declareMaintenance", "withdrawMaintenance"),
}
MUTATIONS = {
    name: field for name, field in GRAPHQL_SCHEMA.mutation_type.fields.items() if name not in MAKING
}
MAX_DEPTH = 6
BOX = SecretBox(bytes(32))
TEXTS = {"String", "ID", "UUID"}


def selection(named: Any, depth: int = 0) -> str:
    """Return everything that can be selected without arguments of one's own."""
    if not isinstance(named, GraphQLObjectType):
        return ""
    parts = [
        f"{name} {selection(get_named_type(field.type), depth + 1)}"
        for name, field in named.fields.items()
        if not any(is_required_argument(argument) for argument in field.args.values())
        and (depth < MAX_DEPTH or not has_fields(field.type))
    ]
    return "{" + " ".join(parts) + "}"


def has_fields(output: GraphQLOutputType) -> bool:
    """Tell whether something can be selected below."""
    return isinstance(get_named_type(output), GraphQLObjectType)


def literal(kind: GraphQLInputType, text: str) -> str:
    """Return the text as a value of this type."""
    named, quoted = get_named_type(kind), orjson.dumps(text).decode()
    if isinstance(named, GraphQLInputObjectType):
        fields = [
            f"{name}: {literal(field.type, text)}"
            for name, field in named.fields.items()
            if is_required_input_field(field)
        ]
        return "{" + ", ".join(fields) + "}"
    if named.name not in TEXTS:
        pytest.fail(f"This test needs a value for arguments of the type {named.name}.")
    return f"[{quoted}]" if is_list_type(get_nullable_type(kind)) else quoted


def takes_text(argument: GraphQLArgument) -> bool:
    """Tell whether somebody could put a foreign name in there."""
    return get_named_type(argument.type).name in TEXTS


def has_form(kind: GraphQLInputType, text: str) -> bool:
    """Tell whether the text can be a value of this type: what takes ids refuses names as such."""
    named = get_named_type(kind)
    if isinstance(named, GraphQLInputObjectType):
        fields = named.fields.values()
        return all(has_form(field.type, text) for field in fields if is_required_input_field(field))
    return named.name != "UUID" or is_uuid(text)


def is_uuid(text: str) -> bool:
    """Tell whether the text is an id."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def questions(kind: str, name: str, field: GraphQLField, names: Names) -> Iterator[str]:
    """Yield documents that ask this root field by every foreign name in every argument."""
    required = [key for key, argument in field.args.items() if is_required_argument(argument)]
    optional = [
        key for key, argument in field.args.items() if key not in required and takes_text(argument)
    ]
    chosen = selection(get_named_type(field.type))
    if not required:
        yield f"{kind} {{ {name} {chosen} }}"
    for text in names.all():
        for keys in [required] if required else [[key] for key in optional]:
            given = ", ".join(f"{key}: {literal(field.args[key].type, text)}" for key in keys)
            if given and all(has_form(field.args[key].type, text) for key in keys):
                yield f"{kind} {{ {name}({given}) {chosen} }}"


async def answer(database: Database, principal: Principal, text: str, now: datetime) -> bytes:
    """Return the answer as JSON, at a moment that is the same for all."""
    document = parse(text)
    assert validate(GRAPHQL_SCHEMA, document) == []
    async with database.transaction(
        tenant_id=principal.tenant_id, user_id=principal.user_id
    ) as session:
        context = Context(UnitOfWork(session), principal, secret_box=BOX)
        context.now = now
        outcome = execute(GRAPHQL_SCHEMA, document, context_value=context)
        result = outcome if isinstance(outcome, ExecutionResult) else await outcome
        await context.work.finish()
    errors = [presented(error).formatted for error in result.errors or ()]
    assert "INTERNAL" not in {error["extensions"]["code"] for error in errors}, text
    return orjson.dumps({"data": result.data, "errors": errors}, default=str)


@pytest.mark.parametrize("name", QUERIES)
async def test_a_query_shows_nothing_of_another_tenant(
    database: Database, tenant: Tenant, name: str
) -> None:
    names, now = Names.new(), utc_now()
    other_tenant = await make_tenant(database, name=names.mark)
    asked = list(questions("query", name, QUERIES[name], names))
    callers = [person(tenant, role=Role.OWNER), connector(tenant)]
    before = [await answer(database, who, text, now) for who in callers for text in asked]
    await populate(database, other_tenant, names, now=now)
    after = [await answer(database, who, text, now) for who in callers for text in asked]
    assert after == before
    # Not for want of something to see: those whom the rows belong to get another answer.
    owner = person(other_tenant, role=Role.OWNER)
    theirs = [await answer(database, owner, text, now) for text in asked]
    assert set(theirs) - set(before)


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_mutation_changes_nothing_of_another_tenant(
    database: Database, tenant: Tenant, name: str
) -> None:
    names, now = Names.new(), utc_now()
    other_tenant = await make_tenant(database, name=names.mark)
    await populate(database, other_tenant, names, now=now)
    owner = person(other_tenant, role=Role.OWNER)
    confirmed = replace(person(tenant, role=Role.OWNER), second_factor_at=now)
    everything = [
        text
        for query, field in QUERIES.items()
        for text in questions("query", query, field, names)
        if "(" not in text.partition("{")[2].partition("{")[0] or names.number in text
    ]
    before = [await answer(database, owner, text, now) for text in everything]
    for text in questions("mutation", name, MUTATIONS[name], names):
        refused = orjson.loads(await answer(database, confirmed, text, now))
        assert refused["data"] is None
        assert [error["extensions"]["code"] for error in refused["errors"]] == ["NOT_FOUND"]
    assert [await answer(database, owner, text, now) for text in everything] == before
