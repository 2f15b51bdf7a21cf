"""The hub's own pages: German for who asks for it; every text has it, and nothing is left over."""

import re
from pathlib import Path

import pytest

import hub.web
from hub.language import catalogue
from hub.principal import Role
from hub.severity import Severity
from hub.tenancy.models import Tenant
from tests.factories import person
from tests.hub.test_web import visited_by

TEMPLATES = [*(Path(hub.web.__file__).parent / "pages").glob("*.html")]
# Names of the domain, which templates pass on.
ELSEWHERE = {*(role.value for role in Role), *(severity.value for severity in Severity)}
GERMAN = catalogue("hub.web", "de")


def texts() -> set[str]:
    found: set[str] = set()
    for path in TEMPLATES:
        found |= set(re.findall(r'\bt\("((?:[^"\\]|\\.)*)"', path.read_text("utf-8")))
    return found | ELSEWHERE


def test_every_text_has_its_german_and_no_german_is_left_over() -> None:
    assert sorted(texts()) == sorted(GERMAN)


def test_german_has_the_same_names_and_the_same_markup() -> None:
    marks = re.compile(r"\{\w+\}|</?\w+>")
    assert {
        english: german
        for english, german in GERMAN.items()
        if marks.findall(english) != marks.findall(german)
    } == {}


@pytest.mark.parametrize(
    ("language", "heading", "sign_in"),
    [("de-AT, en;q=0.5", "Claude verbinden", "Anmelden"), ("fr", "Connect Claude", "Sign in")],
)
async def test_a_stranger_is_welcomed_in_their_language(
    language: str, heading: str, sign_in: str
) -> None:
    async with visited_by(None) as http:
        response = await http.get("/", headers={"Accept-Language": language})
    assert f'<h2 id="connect">{heading}</h2>' in response.text
    assert f">{sign_in}</a>" in response.text
    assert response.headers["vary"] == "Accept-Language"
    assert f'<html lang="{response.headers["content-language"]}">' in response.text


async def test_figures_are_written_as_germans_write_them(tenant: Tenant) -> None:
    async with visited_by(person(tenant)) as http:
        response = await http.get("/", headers={"Accept-Language": "de"})
    text = " ".join(response.text.split())
    # What people named stays as it is, and stays escaped.
    assert "operator@example.com · &lt;b&gt;Acme&lt;/b&gt;, Operator" in text
    assert '78<small> von 100</small></p> <p class="note"><span class="bad">-2,5 seit ges' in text
    assert '<li class="critical">1 kritisch</li>' in text
