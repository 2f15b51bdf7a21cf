"""What an ad-hoc document may be: limits that end an attack before it costs anything.

Persisted operations are checked when the hub starts and know no limit but time. A document that a
person writes in GraphiQL is held to these, each refused with the code LIMIT_EXCEEDED and in
`extensions.limit` its name, what is allowed and what the document has:

| limit | allowed | counted |
|---|---|---|
| tokens | 2,000 | lexical tokens, before anything is parsed |
| characters | 50,000 | of the document: comments and long strings are not tokens |
| fields | 400 | as written, because validation compares them in pairs |
| spreads | 60 | fragment spreads as written, for the same reason |
| directives | 30 | as written |
| rootFields | 20 | fields at the root, fragments expanded |
| aliases | 30 | fragments expanded, so a fragment cannot multiply them unseen |
| depth | 12 | levels of fields, fragments expanded, introspection not counted |
| introspectionDepth | 16 | levels under `__schema` and `__type` |
| introspections | 2 | `__schema` and `__type` fields |
| cost | 5,000 | fields that the answer may hold; see `hub_schema.cost` |

An operation of any kind ends after OPERATION_TIMEOUT.
"""

from collections.abc import Mapping
from datetime import timedelta

from graphql import DocumentNode, GraphQLError, Lexer, Source, TokenKind

from hub_schema.shape import operation_shapes, written_shapes

MAX_TOKENS = 2_000
MAX_CHARACTERS = 50_000
MAX_COST = 5_000
OPERATION_TIMEOUT = timedelta(seconds=15)

SHAPE_LIMITS: Mapping[str, int] = {
    "fields": 400,
    "spreads": 60,
    "directives": 30,
    "rootFields": 20,
    "aliases": 30,
    "depth": 12,
    "introspectionDepth": 16,
    "introspections": 2,
}
_MAX_REPORTED = 1_000_000_000  # a fragment bomb's true count may have hundreds of digits


def limit_exceeded(name: str, *, allowed: int, found: int | None = None) -> GraphQLError:
    """Return the refusal; `found` is None where counting on would be the attack."""
    shown = None if found is None else min(found, _MAX_REPORTED)
    has = f"more than {allowed:,}" if shown is None else f"{shown:,}"
    facts = {"name": name, "allowed": allowed, "found": shown}
    return GraphQLError(
        f"The document is over the limit `{name}`: {allowed:,} allowed, it has {has}."
        " Ask for less, or in several requests.",
        extensions={"code": "LIMIT_EXCEEDED", "limit": facts},
    )


def check_text(text: str) -> None:
    """Refuse a document that is too long to be parsed; raise GraphQLSyntaxError for no token."""
    if len(text) > MAX_CHARACTERS:
        raise limit_exceeded("characters", allowed=MAX_CHARACTERS, found=len(text))
    lexer = Lexer(Source(text))
    for _ in range(MAX_TOKENS):
        if lexer.advance().kind is TokenKind.EOF:
            return
    if lexer.advance().kind is not TokenKind.EOF:
        raise limit_exceeded("tokens", allowed=MAX_TOKENS)


def check_shape(document: DocumentNode) -> None:
    """Refuse a document whose shape alone is too much; needs no schema and no validation."""
    written = written_shapes(document)
    _check("fields", sum(shape.fields for shape in written))
    _check("spreads", sum(len(shape.spreads) for shape in written))
    _check("directives", sum(shape.directives for shape in written))
    for shape in operation_shapes(document):
        _check("rootFields", shape.root_fields)
        _check("aliases", shape.aliases)
        _check("depth", shape.depth)
        _check("introspectionDepth", shape.introspection_depth)
        _check("introspections", shape.introspections)


def _check(name: str, found: int) -> None:
    if found > SHAPE_LIMITS[name]:
        raise limit_exceeded(name, allowed=SHAPE_LIMITS[name], found=found)
