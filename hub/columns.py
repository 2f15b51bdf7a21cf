"""Column types shared by the tables."""

from enum import StrEnum
from typing import Any
from uuid import uuid4

from sqlalchemy import DateTime, Enum, ForeignKeyConstraint, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING_CONVENTION
metadata: MetaData = SQLModel.metadata


def enum_by_value(enum_type: type[StrEnum], *, length: int = 32) -> Enum:
    """Store a StrEnum as text by its value: a new member needs no ALTER TYPE."""

    def stored_values(members: type[StrEnum]) -> list[str]:
        return [member.value for member in members]

    return Enum(
        enum_type,
        native_enum=False,
        length=length,
        values_callable=stored_values,
        create_constraint=False,
    )


def tenant_key() -> Any:
    """Return the column that leads every tenant table's primary key."""
    return Field(primary_key=True, foreign_key="tenants.id", ondelete="CASCADE")


def uuid_key() -> Any:
    """Return a random primary key column."""
    return Field(default_factory=uuid4, primary_key=True)


def instant(**options: Any) -> Any:
    """Return a `timestamptz` column."""
    return Field(sa_type=DateTime(timezone=True), **options)


def text_list() -> Any:
    """Return a `text[]` column that is empty by default."""
    return Field(default_factory=list, sa_type=ARRAY(Text), nullable=False)


def json_object() -> Any:
    """Return a `jsonb` column that is an empty object by default."""
    return Field(default_factory=dict, sa_type=JSONB, nullable=False)


def json_list() -> Any:
    """Return a `jsonb` column that is an empty list by default."""
    return Field(default_factory=list, sa_type=JSONB, nullable=False)


def tenant_reference(
    column: str, target: str, *, ondelete: str = "CASCADE"
) -> ForeignKeyConstraint:
    """Return a reference to another table of the same tenant; the tenant is part of the key."""
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"], ondelete=ondelete
    )
