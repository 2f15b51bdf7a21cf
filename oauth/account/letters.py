"""The letters that the hub writes, in the language of who caused them."""

from datetime import datetime

from hub.mail import Letter
from oauth.language import t

_SIGNATURE = "Nobody at monsys will ever ask you for a password or a code."


def sign_up_letter(*, to: str, link: str) -> Letter:
    """Return the letter with the link that makes the account."""
    return _letter(
        to,
        t("Confirm your address for monsys"),
        t("Somebody, most likely you, asked for a monsys account with this address."),
        t("Open this link within 30 minutes to create it:"),
        link,
        t("If it was not you, ignore this e-mail: without the link nothing is created."),
    )


def account_exists_letter(*, to: str, sign_in_url: str, reset_url: str) -> Letter:
    """Return the letter to who has an account already: the page itself does not tell."""
    return _letter(
        to,
        t("You have a monsys account already"),
        t("Somebody, most likely you, tried to sign up with this address. It has an account."),
        t("Sign in here:"),
        sign_in_url,
        t("If you forgot the password, choose a new one here:"),
        reset_url,
        t("If it was not you, there is nothing to do: nothing was changed."),
    )


def reset_letter(*, to: str, link: str) -> Letter:
    """Return the letter with the link under which a new password is chosen."""
    return _letter(
        to,
        t("Choose a new password for monsys"),
        t("Somebody, most likely you, said that the password of your account is forgotten."),
        t("Open this link within 30 minutes to choose a new one:"),
        link,
        t("If it was not you, ignore this e-mail: your password stays what it is."),
    )


def password_changed_letter(*, to: str, reset_url: str) -> Letter:
    """Return the letter that tells of a changed password, so that nobody changes it in silence."""
    return _letter(
        to,
        t("Your monsys password was changed"),
        t("The password of your account was changed just now, and other sign-ins were ended."),
        t("If it was not you, choose a new password at once:"),
        reset_url,
    )


def invitation_letter(
    *, to: str, organisation: str, inviter: str, link: str, until: datetime
) -> Letter:
    """Return the letter with the link by which somebody joins a tenant."""
    return _letter(
        to,
        t("You are invited to {organisation} on monsys", organisation=organisation),
        t("{inviter} invites you to {organisation}.", inviter=inviter, organisation=organisation),
        t("Open this link before {day} to accept:", day=f"{until:%Y-%m-%d}"),
        link,
        t("If you do not know them, ignore this e-mail."),
    )


def _letter(to: str, subject: str, *paragraphs: str) -> Letter:
    text = "\n\n".join((*paragraphs, t(_SIGNATURE)))
    return Letter(to=to, subject=subject, text=f"{text}\n")
