"""A letter box that keeps what the hub sends."""

import re
from dataclasses import dataclass, field

from hub.mail import Letter


@dataclass
class Outbox:
    """Letters by who gets them; a test looks at those to its own addresses only."""

    letters: list[Letter] = field(default_factory=list)

    def check(self) -> None:
        return

    async def send(self, letter: Letter) -> None:
        self.letters.append(letter)

    def to(self, email: str) -> list[Letter]:
        return [letter for letter in self.letters if letter.to == email]

    def link_to(self, email: str) -> str:
        """Return path and query of the link in the newest letter."""
        found = re.search(r"https://app\.example\.com(/\S+)", self.to(email)[-1].text)
        assert found is not None
        return found[1]
