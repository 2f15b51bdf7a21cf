"""A mail server for one test run: takes every letter and shows what arrived."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default

_ANSWERS = {"EHLO": "250 localhost", "DATA": "354 go on", "QUIT": "221 bye"}


@dataclass
class Mailbox:
    """What arrived, and where to send to."""

    url: str = ""
    letters: list[Message] = field(default_factory=list)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def letter_to(self, email: str) -> str:
        """Return the text of the newest letter to this address; wait for it for a while."""
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: self._texts(email) != [])
        return self._texts(email)[-1]

    async def link_to(self, email: str) -> str:
        """Return the last link with a token in the newest letter."""
        links: list[str] = re.findall(r"https?://\S+\?token=\S+", await self.letter_to(email))
        return links[-1]

    def _texts(self, email: str) -> list[str]:
        return [
            letter.get_content().replace("\r\n", "\n")  # type: ignore[attr-defined]  # of the default policy
            for letter in self.letters
            if letter["To"] == email
        ]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak as much SMTP (RFC 5321) as smtplib asks for."""
        writer.write(b"220 localhost\r\n")
        while line := (await reader.readline()).decode().strip():
            verb = line[:4].upper()
            writer.write(f"{_ANSWERS.get(verb, '250 ok')}\r\n".encode())
            if verb == "DATA":
                data = await reader.readuntil(b"\r\n.\r\n")
                async with self._arrived:
                    self.letters.append(message_from_bytes(data[:-3], policy=default))
                    self._arrived.notify_all()
                writer.write(b"250 ok\r\n")
            if verb == "QUIT":
                break
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def mail_server() -> AsyncIterator[Mailbox]:
    """Run the server on a free port."""
    mailbox = Mailbox()
    async with await asyncio.start_server(mailbox.serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        mailbox.url = f"smtp://{host}:{port}"
        yield mailbox
