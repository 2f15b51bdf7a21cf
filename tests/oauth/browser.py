"""A browser without JavaScript: cookies, and forms as they stand on the page."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self, override

import httpx2
from fastapi import FastAPI


@dataclass
class Form:
    """One form: where it goes, and what its fields hold."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    boxes: set[str] = field(default_factory=set)
    decisions: set[str] = field(default_factory=set)


class Page(HTMLParser):
    """The forms and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text = ""
        self.feed(html)
        self.text = " ".join(self.text.split())

    def form(self, action: str, *, field: str | None = None) -> Form:
        """Return the last form that goes there (and has this field)."""
        found = [form for form in self.forms if form.action == action]
        if field is not None:
            found = [form for form in found if field in form.fields]
        return found[-1]

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(at["action"]))
        elif tag == "input" and at.get("type") == "checkbox":
            self.forms[-1].boxes.add(at["name"])
        elif tag == "input":
            self.forms[-1].fields[at["name"]] = at.get("value", "")
        elif tag == "select":
            self.forms[-1].fields[at["name"]] = ""
        elif tag == "button" and "value" in at:
            self.forms[-1].decisions.add(at["value"])

    @override
    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


class Browser:
    """One browser on the app's origin; `http` is there for what a page would not do."""

    def __init__(self, app: FastAPI, origin: str, *, address: str = "127.0.0.1") -> None:
        self.origin = origin
        transport = httpx2.ASGITransport(app, client=(address, 1))
        self.http = httpx2.AsyncClient(transport=transport, base_url=origin)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def get(self, url: str) -> httpx2.Response:
        """Open a page."""
        return await self.http.get(url)

    async def submit(self, form: Form, **fields: str) -> httpx2.Response:
        """Send a form from its own page."""
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        return await self.http.post(form.action, data=form.fields | fields, headers=headers)

    async def sign_in(self, email: str, password: str, *, next_: str = "/") -> httpx2.Response:
        """Fill in the sign-in form and send it."""
        page = Page((await self.http.get("/sign-in", params={"next": next_})).text)
        return await self.submit(page.form("/sign-in"), email=email, password=password)
