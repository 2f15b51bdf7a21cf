"""Sort keys: byte strings that compare as the versions do.

A key is made once per version and compared by `memcmp`, in Python and in PostgreSQL (`bytea`)
alike: that is what lets one indexed join decide a whole fleet. Marks below 0x20 stand between the
parts; printable ASCII stands for itself.
"""

MAX_VERSION_CHARACTERS = 256
_ONE_BYTE_LENGTHS = 255


class InvalidVersion(ValueError):  # noqa: N818 - reads as the refusal it is
    """The text is no version of this order; whoever asked is undecided, and never guesses."""


def checked(version: str, *, any_letters: bool = False) -> str:
    """Return the version without surrounding blanks, if it can be one at all."""
    text = version.strip()
    if not text or len(text) > MAX_VERSION_CHARACTERS or not (any_letters or text.isascii()):
        raise InvalidVersion("empty, too long, or not ASCII")
    if any(character.isspace() or not character.isprintable() for character in text):
        raise InvalidVersion("a blank or a control character")
    return text


def number(digits: str) -> bytes:
    """Return digits so that 9 sorts before 10, however many there are: the length leads."""
    significant = digits.lstrip("0")
    length = len(significant)
    if length < _ONE_BYTE_LENGTHS:
        return bytes((length,)) + significant.encode()
    return b"\xff" + length.to_bytes(2) + significant.encode()


def text(word: str) -> bytes:
    """Return a word that sorts before its own continuations."""
    return word.encode() + b"\x00"
