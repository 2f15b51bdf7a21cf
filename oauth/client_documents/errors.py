"""Why a metadata document cannot be used."""


class DocumentError(Exception):
    """The document cannot be used. `reason` is in our words and continues "because"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DocumentRefusedError(DocumentError):
    """The address, or what is there, breaks a rule. An earlier copy does not help."""


class DocumentUnavailableError(DocumentError):
    """Nothing usable came back this time. An earlier copy may be used for a while."""
