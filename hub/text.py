"""Text that somebody else wrote, before it reaches the database."""

from hub.errors import InvalidInput


def check_text(text: str, *, field: str, max_characters: int) -> str:
    """Return the text without surrounding blanks; refuse what PostgreSQL cannot store."""
    cleaned = text.strip()
    if len(cleaned) > max_characters:
        raise InvalidInput(f"`{field}` may have at most {max_characters} characters.", field=field)
    if not is_storable(cleaned):
        raise InvalidInput(f"`{field}` holds characters that are not text.", field=field)
    return cleaned


def is_storable(text: str) -> bool:
    """Tell whether PostgreSQL takes the text: no NUL, and no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
