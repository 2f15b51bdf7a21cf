"""Many rows in one statement: each column travels as one array.

`INSERT … VALUES` is bounded by the protocol's 32,767 parameters, and `COPY` refuses tables with
row-level security; arrays have neither limit.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import TableValuedAlias, bindparam, column, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine


def array_rows(
    name: str, types: Mapping[str, TypeEngine[Any]], rows: Iterable[Sequence[Any]]
) -> TableValuedAlias:
    """Return rows as something to select from; their values stand in the order of `types`."""
    arrays = list(zip(*rows, strict=True)) or [()] * len(types)
    return (
        func.unnest(
            *(
                bindparam(None, list(values), type_=ARRAY(kind))
                for values, kind in zip(arrays, types.values(), strict=True)
            )
        )
        .table_valued(*(column(key, kind) for key, kind in types.items()), name=name)
        .render_derived()
    )
