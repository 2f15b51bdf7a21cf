"""A person at a browser that runs no JavaScript: reads a form, fills it in, presses a button."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self, override
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pyotp

_MAX_PAGES = 8


@dataclass(frozen=True)
class Account:
    """With what a person signs in."""

    email: str
    password: str
    totp_secret: str | None = None


@dataclass
class Form:
    """One form of a page: where it goes, what it holds, and its buttons by what they say.

    `boxes` are the check boxes that nobody has ticked yet.
    """

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    boxes: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


class Page(HTMLParser):
    """The forms and the readable text of one HTML page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words: list[str] = []
        self._button: tuple[str, str] | None = None
        self._label: list[str] = []
        self.feed(html)

    @property
    def text(self) -> str:
        """What a reader sees, in one line."""
        return " ".join(" ".join(self.words).split())

    def form_with_button(self, *labels: str) -> tuple[Form, str]:
        """Return the first form that has one of these buttons, and that button's label."""
        for form in self.forms:
            for label in form.buttons:
                if label.lower() in {wanted.lower() for wanted in labels}:
                    return form, label
        said = [list(form.buttons) for form in self.forms]
        raise AssertionError(f"no button {labels} on the page, only {said}: {self.text[:400]}")

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(at.get("action", ""), at.get("method", "get").lower()))
        elif tag == "button" and self.forms:
            self._button, self._label = (at.get("name", ""), at.get("value", "")), []
        elif tag == "input" and self.forms and "name" in at:
            self._field(at)

    @override
    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._button is not None:
            self._label.append(data)

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self._button is not None:
            self.forms[-1].buttons[" ".join("".join(self._label).split())] = self._button
            self._button = None

    def _field(self, at: dict[str, str]) -> None:
        kind, form = at.get("type", "text"), self.forms[-1]
        if kind == "checkbox" and "checked" not in at:
            form.boxes[at["name"]] = at.get("value", "on")
            return
        form.fields[at["name"]] = at.get("value", "")
        form.kinds[at["name"]] = at.get("autocomplete") or kind


class Person:
    """Signs in and decides about consent, by plain HTTP forms.

    Redirects are followed as long as they stay on the hub's own pages; the one that leaves them
    is the answer to the client.
    """

    def __init__(self, account: Account, *, ticks: Iterable[str] = ()) -> None:
        self.account = account
        self._ticks = frozenset(ticks)
        self.pages: list[Page] = []
        self._http = httpx2.AsyncClient(follow_redirects=False, timeout=30, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def allow(self, authorize_url: str) -> str:
        """Open the client's link, sign in if asked, press Allow; return the way back."""
        return await self._decide(authorize_url, "Allow")

    async def deny(self, authorize_url: str) -> str:
        """Open the client's link, sign in if asked, press Deny; return the way back."""
        return await self._decide(authorize_url, "Deny")

    async def try_to_sign_in(self, url: str) -> Page:
        """Open the client's link, sign in once, and return the page that follows."""
        response = await self._followed(await self._http.get(url))
        form, button = self._read(response).form_with_button("Sign in")
        response = await self._followed(await self._submit(str(response.url), form, button))
        page = Page(response.text)
        self.pages.append(page)
        return page

    async def _followed(self, response: httpx2.Response) -> httpx2.Response:
        for _ in range(_MAX_PAGES):
            if not response.has_redirect_location:
                break
            url = urljoin(str(response.url), response.headers["location"])
            response = await self._http.get(url)
        return response

    async def _decide(self, url: str, decision: str) -> str:
        ours = urlsplit(url).netloc
        response = await self._http.get(url)
        for _ in range(_MAX_PAGES):
            if response.has_redirect_location:
                url = urljoin(str(response.url), response.headers["location"])
                if urlsplit(url).netloc != ours:
                    # 307 would make the browser post the form to the client.
                    assert response.status_code in {302, 303}
                    return url
                response = await self._http.get(url)
                continue
            page = self._read(response)
            form, button = page.form_with_button("Sign in", "Continue", decision)
            response = await self._submit(str(response.url), form, button)
        raise AssertionError(f"never came back to the client; last page: {self.pages[-1].text}")

    def _read(self, response: httpx2.Response) -> Page:
        page = Page(response.text)
        self.pages.append(page)
        assert response.status_code == 200, f"{response.status_code}: {page.text[:400]}"
        assert response.headers["content-type"].startswith("text/html")
        return page

    async def _submit(self, url: str, form: Form, button: str) -> httpx2.Response:
        values = {name: self._answer(form, name) for name in form.fields}
        values |= {name: value for name, value in form.boxes.items() if name in self._ticks}
        name, value = form.buttons[button]
        if name:
            values[name] = value
        target = urljoin(url, form.action)
        site = f"{urlsplit(target).scheme}://{urlsplit(target).netloc}"
        # What every browser says about a form that is posted to the site it came from.
        headers = {"Origin": site, "Sec-Fetch-Site": "same-origin", "Referer": url}
        assert form.method == "post"
        return await self._http.post(target, data=values, headers=headers)

    def _answer(self, form: Form, name: str) -> str:
        match form.kinds[name]:
            case "username" | "email":
                return self.account.email
            case "current-password" | "password":
                return self.account.password
            case "one-time-code":
                return pyotp.TOTP(self.account.totp_secret or "").now()
            case _:
                return form.fields[name]


def callback_parameters(url: str) -> dict[str, str]:
    """Return what came back to the client in the redirect's query, each parameter once."""
    parameters = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert all(len(values) == 1 for values in parameters.values())
    return {name: values[0] for name, values in parameters.items()}
