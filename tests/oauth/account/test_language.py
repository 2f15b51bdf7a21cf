"""German for who asks for it; every text has it, and nothing is left over."""

import ast
import re
from pathlib import Path

import pytest

import oauth
from hub.fleet import enrollment
from hub.language import catalogue, negotiated
from hub.mail import NoMail
from hub.principal import Role
from hub.severity import Severity
from hub.tenancy import members, password_policy
from hub.tenancy.connector_settings import CHANGED_MEANWHILE
from tests.oauth.account.conftest import MakeSomeone
from tests.oauth.account.outbox import Outbox
from tests.oauth.browser import Browser, Page

OAUTH = Path(oauth.__file__).parent
TEMPLATES = [*OAUTH.glob("pages/*.html"), *OAUTH.glob("account/pages/*.html")]
MODULES = [
    *OAUTH.glob("sign_in*.py"),
    *OAUTH.glob("authorize*.py"),
    *OAUTH.glob("account/*.py"),
    Path(enrollment.__file__),
    Path(members.__file__),
    Path(password_policy.__file__),
]
# Said by others, and shown on our pages.
ELSEWHERE = {
    CHANGED_MEANWHILE,
    "The request body is too large.",
    "Too many parameters.",
    "Send the parameters as application/x-www-form-urlencoded.",
    *(role.value for role in Role),
    *(severity.value for severity in Severity),
}
# For developers, in the log or in an exception that no page shows.
NOT_SHOWN = {"monsys"}
GERMAN = catalogue("oauth", "de")


def texts_of_template(path: Path) -> set[str]:
    text = path.read_text("utf-8")
    called = re.findall(r'\bt\("((?:[^"\\]|\\.)*)"', text)
    navigation = re.findall(r'\("/[a-z/]*", "([^"]+)"\)', text)
    return {*called, *navigation}


def texts_of_module(path: Path) -> set[str]:
    """Return what is passed to `t`, and every constant that is a sentence or names a way on."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "t":
            found |= {str(at.value) for at in node.args if isinstance(at, ast.Constant)}
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            found |= _sentences(node.value)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            found |= set().union(*(_sentences(value) for value in node.value.values))
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            found |= _way_on(node)
    return found - NOT_SHOWN


def _sentences(node: ast.expr) -> set[str]:
    value = node.value if isinstance(node, ast.Constant) else None
    return {value} if isinstance(value, str) and re.fullmatch(r"[A-Z].* .*[.]", value) else set()


def _way_on(node: ast.Tuple) -> set[str]:
    text = node.elts[1].value if isinstance(node.elts[1], ast.Constant) else None
    return {text} if isinstance(text, str) and re.fullmatch(r"[A-Z][a-z]+( .*)?", text) else set()


def all_texts() -> set[str]:
    texts = set(ELSEWHERE)
    for path in TEMPLATES:
        texts |= texts_of_template(path)
    for path in MODULES:
        texts |= texts_of_module(path)
    with pytest.raises(Exception, match="MONSYS_SMTP_URL") as refusal:
        NoMail().check()
    return texts | {str(refusal.value)}


def test_every_text_has_its_german() -> None:
    assert sorted(all_texts() - GERMAN.keys()) == []


def test_no_german_is_left_over() -> None:
    said = all_texts() | _titles()
    assert sorted(GERMAN.keys() - said) == []


def _titles() -> set[str]:
    """Return short constants, such as the titles of error pages."""
    texts = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
    return texts


def test_german_fills_in_the_same_names() -> None:
    names = re.compile(r"\{(\w+)\}")
    assert {
        english: german
        for english, german in GERMAN.items()
        if set(names.findall(english)) != set(names.findall(german))
    } == {}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-CH, fr;q=0.8", "de"),
        ("en-GB,de;q=0.9", "en"),
        ("fr, de;q=0.7, en;q=0.3", "de"),
        ("de;q=0, en;q=0.1", "en"),
        ("fr", "en"),
        ("*", "en"),
        ("de;q=x, ,;;", "en"),
    ],
)
def test_the_language_is_the_one_that_is_wanted_most(header: str, language: str) -> None:
    assert negotiated(header) == language


async def test_pages_and_letters_are_in_the_language_of_the_browser(
    browser: Browser, someone: MakeSomeone, outbox: Outbox
) -> None:
    person = await someone()
    browser.http.headers["Accept-Language"] = "de-AT,de;q=0.9,en;q=0.5"
    response = await browser.get("/password/forgot")
    assert '<html lang="de">' in response.text
    assert response.headers["content-language"] == "de"
    assert response.headers["vary"] == "Accept-Language"
    form = Page(response.text).form("/password/forgot")
    assert (await browser.submit(form, email=person.email)).status_code == 303
    assert outbox.to(person.email)[-1].subject == "Wählen Sie ein neues Passwort für monsys"
    wrong = await browser.sign_in(person.email, "wrong")
    assert "Die E-Mail-Adresse oder das Passwort stimmt nicht." in wrong.text
    english = await person.browser.get("/account/security")
    assert '<html lang="en">' in english.text
