"""Somebody who looks at pages as they are for all: with axe-core, by Tab, in the dark, by phone."""

import os
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Page

from tests.browser.keyboard import check_tab_order
from tests.running_hub import RunningHub

_AXE = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map((one) => `${one.id}: ${one.nodes.map((n) => n.html).join(" | ")}`);
}"""


class Visitor:
    """Somebody who looks at each page, and lets axe-core look as well."""

    def __init__(self, page: Page, hub: RunningHub, axe_script: str, language: str) -> None:
        self.page = page
        self.hub = hub
        self.axe_script = axe_script
        self._language = language
        self.checked: list[str] = []

    async def open(self, path: str) -> None:
        await self.page.goto(f"{self.hub.app_origin}{path}")

    async def check(self, name: str) -> None:
        """Assert that this page, as it is now, has no violation, and that a keyboard will do."""
        themes: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
        for theme in themes:
            await self.page.emulate_media(color_scheme=theme)
            await self.page.evaluate(self.axe_script)
            violations: list[Any] = await self.page.evaluate(_AXE)
            assert violations == [], f"{name}, {theme}"
            await self._keep_picture(f"{name}-{self._language}-{theme}")
        await check_tab_order(self.page)
        assert await self._fits_a_phone(name), f"{name} is wider than a phone"
        assert await self.page.locator("html").get_attribute("lang") == self._language
        assert await self.page.locator("h1").count() == 1
        self.checked.append(name)

    async def _fits_a_phone(self, name: str) -> bool:
        """Tell whether nothing has to be scrolled sideways at 320 pixels (WCAG 1.4.10)."""
        usual = self.page.viewport_size
        assert usual is not None
        await self.page.set_viewport_size({"width": 320, "height": 640})
        wide: int = await self.page.evaluate("document.documentElement.scrollWidth")
        await self._keep_picture(f"{name}-{self._language}-phone")
        await self.page.set_viewport_size(usual)
        return wide <= 320

    async def submit(self, action: str, **fields: str) -> None:
        """Fill in the form that goes there and send it."""
        form = self.page.locator(f'form[action="{action}"]').last
        for name, value in fields.items():
            field = form.locator(f'[name="{name}"]')
            if await field.evaluate("at => at.tagName") == "SELECT":
                await field.select_option(value)
            elif await field.get_attribute("type") == "checkbox":
                await field.set_checked(value == "yes")
            else:
                await field.fill(value)
        async with self.page.expect_navigation():
            await form.locator('button[type="submit"]').first.click()

    async def _keep_picture(self, name: str) -> None:
        """Keep a picture where MONSYS_TEST_PICTURES says, for people who want to look."""
        if folder := os.environ.get("MONSYS_TEST_PICTURES"):
            await self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
