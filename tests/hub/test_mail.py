"""Letters: by SMTP where it is set up, printed in development, refused in production."""

import base64
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from hub.errors import Unavailable
from hub.mail import Letter, NoMail, PrintedMail, SmtpMail, build_mail
from hub.settings import Settings
from tests.mailbox import mail_server

LETTER = Letter("ada@example.com", "Grüße", "Öffnen Sie https://hub.example.com/x?token=abc\n")
PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "api_origin": "https://hub.example.com",
    "secret_key": SecretStr(base64.b64encode(bytes(32)).decode()),
}


async def test_a_letter_is_handed_to_the_mail_server() -> None:
    async with mail_server() as mailbox:
        mail = build_mail(Settings(smtp_url=mailbox.url, mail_from="monsys <hub@example.com>"))
        mail.check()
        await mail.send(LETTER)
        assert await mailbox.letter_to("ada@example.com") == LETTER.text
        (message,) = mailbox.letters
    assert message["From"] == "monsys <hub@example.com>"
    assert message["Subject"] == "Grüße"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@example.com>")


async def test_a_letter_that_does_not_leave_is_logged_without_its_reader_or_text() -> None:
    mail = SmtpMail("smtp://127.0.0.1:1", sender="hub@example.com")
    with capture_logs() as logs:
        await mail.send(LETTER)
    assert [entry["event"] for entry in logs] == ["mail_not_sent"]
    assert "ada@example.com" not in str(logs)
    assert "token" not in str(logs)


async def test_in_development_a_letter_is_printed() -> None:
    mail = build_mail(Settings())
    assert isinstance(mail, PrintedMail)
    mail.check()
    with capture_logs() as logs:
        await mail.send(LETTER)
    assert logs[0]["link"] == "https://hub.example.com/x?token=abc"


async def test_in_production_it_is_refused_and_never_printed() -> None:
    mail = build_mail(Settings(**PRODUCTION))
    assert isinstance(mail, NoMail)
    with pytest.raises(Unavailable, match="MONSYS_SMTP_URL"):
        mail.check()
    with capture_logs() as logs:
        await mail.send(LETTER)
    assert "token" not in str(logs)


async def test_a_header_takes_no_line_break() -> None:
    async with mail_server() as mailbox:
        mail = SmtpMail(mailbox.url, sender="hub@example.com")
        with pytest.raises(ValueError, match="linefeed"):
            await mail.send(Letter("a@example.com\nBcc: b@example.com", "x", "y"))
        assert mailbox.letters == []


@pytest.mark.parametrize(
    "values",
    [
        {"smtp_url": "smtp://mail.example.com"},
        {"smtp_url": "https://mail.example.com", "mail_from": "hub@example.com"},
        {"smtp_url": "smtp://mail.example.com", "mail_from": "nobody"},
    ],
)
def test_half_a_configuration_is_refused_at_the_start(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="MONSYS_"):
        Settings(**values)  # type: ignore[arg-type]
