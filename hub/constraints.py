"""Which constraint of the database a statement ran into."""

from sqlalchemy.exc import IntegrityError


def violates(error: IntegrityError, constraint: str) -> bool:
    """Tell whether it is this constraint or unique index that the statement violated.

    Who looks first and writes then can be overtaken in between: the database tells, and whoever
    knows the constraint says it in words.
    """
    cause = getattr(error.orig, "__cause__", None)
    return getattr(cause, "constraint_name", None) == constraint
