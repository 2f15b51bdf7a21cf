"""Names that strangers give themselves, as a page may show them."""

import unicodedata


def visible(name: str) -> str:
    """Return the name without what nobody sees, yet changes what stands around it.

    Marks that turn the direction of text could rewrite the question on the consent page, and those
    without width make two names look the same (Unicode TR36 §2.10).
    """
    seen = (one if one.isprintable() else _instead_of(one) for one in name)
    return " ".join("".join(seen).split())


def _instead_of(unprintable: str) -> str:
    return "" if unicodedata.category(unprintable) == "Cf" else " "
