"""The dashboard for everybody: by axe, on a telephone, in the dark, and as the README shows it."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from netboot.events import Event, Kind
from tests.dashboard_site import (
    FIRMWARE,
    PHONE,
    WHOLE,
    BootLink,
    DashboardSite,
    Told,
    chromium,
    events,
    mac,
    watched,
)
from tests.waiting import PATIENCE

expect.set_options(timeout=PATIENCE * 1000)
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
PAGES = ("#/", "#/nodes/n17", "#/nodes/n3", "#/jobs", "#/network", "#/images", "#/audit")
GRAVE = ("serious", "critical")
WHERE = "SCREENSHOTS"
"""Names the folder that the README's pictures are written to."""
STALLED = (
    "boot file named but never asked for by TFTP within 15 s. Usual cause: UDP 69 is blocked by a"
    " firewall, NAT or a container bridge, or the advertised address is not reachable for the"
    " machine. Cure: open UDP 69 on this host; in a container use host networking; see"
    " docs/troubleshooting.md"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardSite]:
    """Forty machines; thirty are installed, some are at it, and one does not boot."""
    made = DashboardSite(tmp_path_factory.mktemp("site"))
    with made.serving():
        _populate(made)
        yield made


def _populate(site: DashboardSite) -> None:
    link, now = BootLink(site), time.time()
    for number in range(1, 41):
        site.add(f"n{number}", number, labels={"rack": f"a{(number - 1) // 10 + 1}"})
    for number in range(1, 37):
        began = now - 90_000 + 500 * number
        link.tell(*events(WHOLE, number, f"n{number}", begun=began, pace=1.5 + number % 4))
    asked = {"reinstall": True, "power": False}
    site.ask("POST", "jobs", {"kind": "install", "nodes": ["n3", "n9", "n17"], "asked": asked})
    now = time.time()
    for number, how_far in ((3, 8), (9, 11)):
        reached = [(kind, text, {**data, **_SECOND}) for kind, text, data in WHOLE[:how_far]]
        link.tell(*events(reached, number, f"n{number}", begun=now, pace=1.1))
    link.tell(
        *events(FIRMWARE, 17, "n17", begun=now, pace=1.2),
        Event(Kind.STALLED, mac(17), "n17", STALLED, {"stage": "transfer"}, now + 18),
        *events([FIRMWARE[0], _IGNORED], 0xA1, None),
        *events(_LOG, 9, "n9", begun=now + 12, pace=1),
    )
    link.dropped({"dhcp: not a boot client": 381, "tftp: no such file": 14})
    link.close()


_SECOND: Mapping[str, str | int] = {"installation": 2}
_IGNORED: Told = (Kind.IGNORED, f'{mac(0xA1)} belongs to no node, and dhcp.unknown = "ignore"', {})
_LOG: Sequence[Told] = [
    (Kind.SYSLOG, line, {})
    for line in (
        "main-menu[312]: INFO: Menu item 'partman-base' selected",
        "partman: mke2fs 1.47.0 (5-Feb-2023)",
        "debootstrap: Retrieving InRelease",
    )
]


def shown(page: Page) -> None:
    """Wait until the page has what it shows."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    expect(page.locator("main")).not_to_have_attribute("aria-busy", "true")
    expect(page.get_by_text("Reading…").locator("visible=true")).to_have_count(0)


def grave(page: Page) -> list[Any]:
    """What axe-core finds that keeps somebody out."""
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], one["help"], [node["target"] for node in one["nodes"]][:5])
        for one in found
        if one["impact"] in GRAVE
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_serious(browser: Browser, site: DashboardSite, scheme: Scheme) -> None:
    with watched(browser, site, color_scheme=scheme) as seen:
        page = seen.open()
        for path in PAGES:
            page.goto(f"{site.url}/{path}")
            shown(page)
            assert grave(page) == [], path
        page.goto(f"{site.url}/#/nodes/n17")
        page.get_by_role("button", name="Cancel job…").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert grave(page) == [], "the dialog"
        page.keyboard.press("Escape")
        page.goto(f"{site.url}/#/nodes/n5")
        page.get_by_role("button", name="Install…").click()
        expect(page.get_by_role("radio", name="HTTP boot")).to_be_disabled()
        assert grave(page) == [], "the dialog of an installation"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_serious_before_there_is_a_node(
    browser: Browser, tmp_path: Path, scheme: Scheme
) -> None:
    site = DashboardSite(tmp_path)
    with site.serving(), watched(browser, site, color_scheme=scheme) as seen:
        seen.page.goto(f"{site.url}/")
        expect(seen.page.get_by_label("Token", exact=True)).to_be_visible()
        assert grave(seen.page) == [], "the sign-in page"
        page = seen.open()
        shown(page)
        expect(page.get_by_text("sudo netboot doctor")).to_be_visible()
        assert grave(page) == [], "the first page"


def test_a_telephone_scrolls_one_way_only(browser: Browser, site: DashboardSite) -> None:
    with watched(browser, site, viewport=PHONE, has_touch=True) as seen:
        page = seen.open()
        for path in PAGES:
            page.goto(f"{site.url}/{path}")
            shown(page)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"], path
        page.goto(f"{site.url}/#/nodes/n5")
        page.get_by_role("button", name="Install…").tap()
        page.get_by_text("What its profile installs").tap()
        dialog = page.get_by_role("dialog")
        assert dialog.evaluate("it => it.scrollWidth <= it.clientWidth")
        expect(dialog.get_by_role("button", name="Erase and")).to_be_visible()


def test_a_question_longer_than_the_screen_shows_its_beginning_and_its_answers(
    browser: Browser, site: DashboardSite
) -> None:
    with watched(browser, site, viewport=PHONE | {"height": 420}) as seen:
        page = seen.open("#/nodes/n1")
        page.get_by_role("button", name="Install…").click()
        asked = page.get_by_role("dialog")
        expect(asked.get_by_role("heading")).to_be_in_viewport(ratio=1)
        for answer in ("Back", "Erase and reinstall n1"):
            expect(asked.get_by_role("button", name=answer)).to_be_in_viewport(ratio=1)


def test_nothing_moves_by_itself(browser: Browser, site: DashboardSite) -> None:
    with watched(browser, site) as seen:
        seen.page.add_init_script(
            "window.shifted = 0; new PerformanceObserver(list => { for (const one of"
            " list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value })"
            ".observe({type: 'layout-shift', buffered: true})"
        )
        page = seen.open()
        shown(page)
        assert page.evaluate("window.shifted") < 0.1, "what Web Vitals call good"


def test_the_skip_link_leads_past_the_navigation(browser: Browser, site: DashboardSite) -> None:
    with watched(browser, site) as seen:
        page = seen.open()
        shown(page)
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        assert page.url.endswith("#/")


_WIDE = {"width": 1120, "height": 640}


def test_the_readme_s_pictures(browser: Browser, site: DashboardSite, tmp_path: Path) -> None:
    folder = Path(os.environ.get(WHERE, tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    for name, path, size, scheme in (
        ("nodes", "#/", _WIDE, "light"),
        ("node", "#/nodes/n17", _WIDE, "dark"),
    ):
        with watched(browser, site, viewport=size, color_scheme=scheme) as seen:
            page = seen.open(path)
            shown(page)
            picture = page.screenshot(path=folder / f"dashboard-{name}.png")
            assert picture.startswith(b"\x89PNG")
