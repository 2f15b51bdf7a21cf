"""Letters to people: by SMTP, or printed where nobody but a developer would read them."""

import asyncio
import re
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import unquote, urlsplit

import structlog

from hub.errors import Unavailable
from hub.settings import Environment, Settings

_log = structlog.get_logger(__name__)
_TIMEOUT_SECONDS = 15
_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Letter:
    """Plain text for one person."""

    to: str
    subject: str
    text: str


class Mail(Protocol):
    """Where letters are handed in."""

    def check(self) -> None:
        """Raise Unavailable when no letter can be sent, before anything else is done."""

    async def send(self, letter: Letter) -> None:
        """Send it. A letter that does not leave is logged; nobody waits for it."""


class SmtpMail:
    """Hands letters to a mail server, over TLS unless it runs on this machine."""

    def __init__(self, url: str, *, sender: str) -> None:
        parts = urlsplit(url)
        self._scheme = parts.scheme
        self._host = parts.hostname or "localhost"
        self._port = parts.port or _PORTS[parts.scheme]
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender = sender

    def check(self) -> None:
        """Return: whether the server answers is seen when a letter is sent."""

    async def send(self, letter: Letter) -> None:
        """Send it from a thread of its own: smtplib blocks."""
        try:
            await asyncio.to_thread(self._send, letter)
        except (OSError, smtplib.SMTPException) as error:
            # Without the address: a log is not the place to learn who has an account.
            _log.error("mail_not_sent", error=type(error).__name__, subject=letter.subject)

    def _send(self, letter: Letter) -> None:
        with self._connected() as server:
            if self._user:
                server.login(self._user, self._password)
            server.send_message(_message(letter, self._sender))

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._scheme == "smtps":
            return smtplib.SMTP_SSL(
                self._host, self._port, timeout=_TIMEOUT_SECONDS, context=context
            )
        server = smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT_SECONDS)
        if not _is_loopback(self._host):
            server.starttls(context=context)
        return server


class PrintedMail:
    """Prints the links of letters in the log, for development: they work as if mailed."""

    def check(self) -> None:
        """Return: a log can always be written."""

    async def send(self, letter: Letter) -> None:
        """Print it."""
        _log.warning(
            "mail_printed_because_MONSYS_SMTP_URL_is_not_set",
            to=letter.to,
            subject=letter.subject,
            link=" ".join(re.findall(r"https?://\S+", letter.text)),
        )


class NoMail:
    """Refuses, in production: a link in a log is a password in a log."""

    def check(self) -> None:
        """Say what is missing."""
        raise Unavailable(
            "This hub cannot send e-mail yet, so nothing was changed. Its operator has to set"
            " MONSYS_SMTP_URL and MONSYS_MAIL_FROM."
        )

    async def send(self, letter: Letter) -> None:
        """Send nothing; callers were told by `check`, or do not depend on it."""
        _log.warning("mail_not_sent", error="NoMailServer", subject=letter.subject)


def build_mail(settings: Settings) -> Mail:
    """Return the way letters leave this hub."""
    if settings.smtp_url is not None:
        return SmtpMail(settings.smtp_url.get_secret_value(), sender=settings.mail_from or "")
    if settings.environment is Environment.PRODUCTION:
        return NoMail()
    return PrintedMail()


def _message(letter: Letter, sender: str) -> EmailMessage:
    message = EmailMessage()  # refuses line breaks in headers
    message["From"] = sender
    message["To"] = letter.to
    message["Subject"] = letter.subject
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].rstrip(">") or None)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    message.set_content(letter.text)
    return message


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
