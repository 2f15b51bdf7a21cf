"""A person who has a keyboard and no mouse."""

from playwright.async_api import Page

_MAX_STOPS = 60
_FOCUSED = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return "";
  const text = at.labels && at.labels[0] && at.labels[0].innerText;
  const label = at.getAttribute("aria-label") || text || at.innerText || at.name || "";
  const style = getComputedStyle(at);
  const visible = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return (visible ? "" : "!") + label.trim().replace(/\\s+/g, " ");
}"""

_IS_READY = """() => document.readyState === "complete"
  && (!document.querySelector("[autofocus]") || document.activeElement !== document.body)"""


async def tab_to(page: Page, label: str) -> None:
    """Press Tab until the control with this label has the focus, and the focus can be seen."""
    # A page that puts the cursor somewhere does so when it is drawn: a person sees that first.
    await page.wait_for_function(_IS_READY)
    seen: list[str] = []
    for _ in range(_MAX_STOPS):
        focused = str(await page.evaluate(_FOCUSED))
        if focused.removeprefix("!").startswith(label):
            assert not focused.startswith("!"), f"the focus on {label} cannot be seen"
            return
        seen.append(focused)
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches {label!r}, only {seen}")


async def fill(page: Page, label: str, text: str) -> None:
    """Reach a field and type into it."""
    await tab_to(page, label)
    await page.keyboard.type(text)


async def press(page: Page, label: str) -> None:
    """Reach a button or link and press Enter."""
    await tab_to(page, label)
    await page.keyboard.press("Enter")


async def stops(page: Page) -> list[str]:
    """Return what Tab reaches, in order, once around."""
    found: list[str] = []
    for _ in range(_MAX_STOPS):
        await page.keyboard.press("Tab")
        focused = str(await page.evaluate(_FOCUSED))
        if focused == "" or (found and focused == found[0]):
            break
        found.append(focused)
    return found


_CONTROLS = """() => {
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")];
  const shown = all.filter((at) => at.checkVisibility() && at.type !== "hidden" && !at.disabled);
  document.body.tabIndex = -1;
  document.body.focus();
  window.controlsOfThePage = shown;
  return shown.length;
}"""
_AT = """() => {
  const style = getComputedStyle(document.activeElement);
  const isSeen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return [window.controlsOfThePage.indexOf(document.activeElement), isSeen];
}"""


async def check_tab_order(page: Page) -> None:
    """Assert that Tab reaches every control, in the order of reading, with a focus to be seen."""
    number: int = await page.evaluate(_CONTROLS)
    reached: list[int] = []
    for _ in range(number):
        await page.keyboard.press("Tab")
        index, is_seen = await page.evaluate(_AT)
        assert is_seen, f"the focus cannot be seen on stop {len(reached)} of {page.url}"
        reached.append(index)
    assert reached == list(range(number)), f"Tab goes another way on {page.url}"
    await page.evaluate("document.activeElement.blur(); document.body.removeAttribute('tabindex')")
