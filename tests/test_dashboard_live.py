"""The dashboard in a real browser, before a real control program: it follows, and it obeys."""

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

import msgspec
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from netboot.events import Event, Kind
from netboot.model import Mac
from netboot.stages.boot import Boot, follow
from tests.dashboard_site import (
    CALLED_HOME,
    FIRMWARE,
    INSTALLER,
    IPXE,
    KERNEL,
    LOADER,
    SCRIPT,
    WHOLE,
    BootLink,
    DashboardSite,
    Watched,
    chromium,
    events,
    mac,
    watched,
)
from tests.waiting import PATIENCE, await_

expect.set_options(timeout=PATIENCE * 1000)
HOSTILE = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
MOST_TABS = 80


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardSite]:
    site = DashboardSite(tmp_path_factory.mktemp("site"))
    with site.serving():
        yield site


@pytest.fixture
def site(running: DashboardSite) -> DashboardSite:
    running.forget_all()
    return running


_numbers = itertools.count(1)


class Machine(NamedTuple):
    """One that no other test has: timelines stay when their nodes are gone."""

    number: int

    @property
    def name(self) -> str:
        return f"n{self.number}"

    @property
    def mac(self) -> Mac:
        return mac(self.number)


@pytest.fixture
def one() -> Machine:
    return Machine(next(_numbers))


@pytest.fixture
def many() -> list[Machine]:
    return [Machine(next(_numbers)) for _ in range(12)]


@pytest.fixture
def link(site: DashboardSite) -> Iterator[BootLink]:
    made = BootLink(site)
    yield made
    made.close()


@pytest.fixture
def seen(browser: Browser, site: DashboardSite) -> Iterator[Watched]:
    with watched(browser, site) as found:
        yield found


def strip(page: Page) -> Locator:
    return page.get_by_role("img", name=re.compile("^Boot: |^No boot"))


def live(page: Page) -> None:
    """Wait until news would be seen."""
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def tab_to(page: Page, role: str, name: str) -> None:
    """Press Tab until the focus is where a person would want it."""
    wanted = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type] # any role
    expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.evaluate("it => it === document.activeElement"):
            return
    pytest.fail(f"no way to {role} {name!r} by the keyboard")


class TestFollowing:
    def test_a_node_boots_and_installs_and_the_list_follows_without_a_reload(
        self, site: DashboardSite, one: Machine, link: BootLink, seen: Watched
    ) -> None:
        site.add(one.name, one.number)
        page = seen.open()
        page.evaluate("window.same = true")
        live(page)
        row = page.get_by_role("row").filter(
            has=page.get_by_role("link", name=one.name, exact=True)
        )
        expect(row).to_contain_text("never seen")
        for told, says, state in (
            (FIRMWARE, "at TFTP", "enrolled"),
            (LOADER, "at iPXE", "enrolled"),
            (IPXE, "at iPXE", "enrolled"),
            (SCRIPT, "at kernel", "installing"),
            (KERNEL, "at installer", "installing"),
            (INSTALLER, "installer: partition", "installing"),
            (CALLED_HOME, "installed", "installed"),
        ):
            link.tell(*events(told, one.number, one.name))
            expect(strip(row)).to_have_accessible_name(re.compile(f"Boot: {says}"))
            expect(row.locator(".state .badge")).to_have_text(state)
        assert page.evaluate("window.same") is True

    def test_a_node_s_own_page_follows_too(
        self, site: DashboardSite, one: Machine, link: BootLink, seen: Watched
    ) -> None:
        site.add(one.name, one.number)
        link.tell(*events(WHOLE, one.number, one.name, begun=1_700_000_000, pace=2))
        page = seen.open(f"#/nodes/{one.name}")
        live(page)
        timeline = page.get_by_role("region", name="Timeline").locator(".event")
        loaders = timeline.filter(has_text="snponly.efi by TFTP")
        expect(loaders).to_have_count(1)
        link.tell(*events([*FIRMWARE, *LOADER], one.number, one.name))
        expect(loaders).to_have_count(2)
        expect(timeline.first).to_contain_text("snponly.efi by TFTP")
        compared = page.get_by_role("region", name="Compared with its last good boot")
        expect(compared.get_by_role("row", name=re.compile("^installer"))).to_contain_text(
            "not yet"
        )
        expect(compared.get_by_role("row", name=re.compile("^iPXE"))).to_contain_text("under way")

    def test_an_installer_s_log_is_shown_and_pushes_no_boot_out(
        self, site: DashboardSite, one: Machine, link: BootLink, seen: Watched
    ) -> None:
        site.add(one.name, one.number)
        link.tell(*events([*FIRMWARE, *LOADER, *SCRIPT, *KERNEL], one.number, one.name))
        chatter = [(Kind.SYSLOG, f"debootstrap: package {line}", {}) for line in range(600)]
        link.tell(*events(chatter[:300], one.number, one.name))
        page = seen.open(f"#/nodes/{one.name}")
        lines = page.get_by_role("log", name="Installer's log").locator("> div")
        expect(lines).to_have_count(300)
        link.tell(*events(chatter[300:], one.number, one.name))
        expect(lines).to_have_count(600)
        expect(lines.last).to_contain_text("package 599")
        expect(strip(page)).to_have_accessible_name(re.compile("Boot: at installer.*TFTP done"))
        page.goto(f"{site.url}/#/")
        row = page.locator("tbody")
        expect(strip(row)).to_have_accessible_name(re.compile("Boot: at installer.*TFTP done"))

    def test_what_went_wrong_comes_first_with_its_usual_cause(
        self, site: DashboardSite, many: list[Machine], link: BootLink, seen: Watched
    ) -> None:
        for each in many:
            site.add(each.name, each.number)
        bad = many[7]
        page = seen.open()
        live(page)
        link.tell(
            *events(FIRMWARE, bad.number, bad.name),
            Event(
                Kind.STALLED,
                bad.mac,
                bad.name,
                "boot file named but never asked for by TFTP within 15 s."
                " Usual cause: UDP 69 is blocked. Cure: open UDP 69; see docs/x.md",
                {"stage": "transfer", "waited": 15},
            ),
        )
        card = page.get_by_role("region", name="Needs attention").get_by_role("article")
        expect(card).to_have_count(1)
        expect(card).to_contain_text(f"{bad.name} stalled at TFTP")
        expect(card).to_contain_text("Usual cause: UDP 69 is blocked.")
        expect(card).to_contain_text("What helps: open UDP 69.")
        page.get_by_role("button", name=re.compile("^Need attention")).click()
        expect(page.locator("tbody tr")).to_have_count(1)
        link.tell(*events(LOADER, bad.number, bad.name))
        expect(card).to_have_count(0)

    def test_that_all_is_well_is_said_when_it_is_known(
        self, site: DashboardSite, many: list[Machine], seen: Watched
    ) -> None:
        for each in many:
            site.add(each.name, each.number)
        held: list[Route] | None = []

        def hold(route: Route) -> None:
            if held is None:
                route.continue_()
            else:
                held.append(route)

        seen.page.route("**/api/v1/timelines?*", hold)
        card = seen.open().get_by_role("region", name="Needs attention").locator(".well")
        expect(card).to_have_text(re.compile(r"^Reading what \d+ nodes did…$"))
        waiting, held = held, None
        for each in waiting:
            each.continue_()
        expect(card).to_have_text(re.compile(r"^Nothing needs attention\. \d+ nodes\.$"))

    def test_nodes_are_found_by_name_address_and_label(
        self, site: DashboardSite, many: list[Machine], seen: Watched
    ) -> None:
        for place, each in enumerate(many):
            site.add(each.name, each.number, labels={"rack": f"a{place % 3}"})
        page = seen.open()
        rows = page.locator("tbody tr")
        for text, count in (
            ("rack=a1", 4),
            (many[11].name, 1),
            (many[4].mac, 1),
            ("nothing like that", 0),
        ):
            page.get_by_label("Filter nodes").fill(text)
            expect(rows.locator("visible=true")).to_have_count(count)
        page.reload()
        expect(page.get_by_label("Filter nodes")).to_have_value("nothing like that")

    def test_it_looks_every_few_seconds_where_there_is_no_stream(
        self, site: DashboardSite, one: Machine, link: BootLink, seen: Watched
    ) -> None:
        site.add(one.name, one.number)
        seen.page.route("**/api/v1/events", lambda route: route.fulfill(status=404, body="{}"))
        page = seen.open()
        expect(page.get_by_text("Every 3 s")).to_be_visible()
        link.tell(*events([*FIRMWARE, *LOADER], one.number, one.name))
        expect(strip(page.locator("tbody"))).to_have_accessible_name(re.compile("Boot: at iPXE"))

    def test_what_a_server_does_not_have_is_said_and_breaks_nothing(
        self, site: DashboardSite, one: Machine, seen: Watched
    ) -> None:
        site.add(one.name, one.number)
        for path in ("jobs?*", "discovered", "profiles", "bmcs", "network", "images", "audit?*"):
            seen.page.route(f"**/api/v1/{path}", lambda route: route.fulfill(status=404, body="{}"))
        page = seen.open()
        for path in ("jobs", "network", "images", "audit"):
            page.goto(f"{site.url}/#/{path}")
            expect(page.get_by_text("Not available: this server")).to_be_visible()
        page.goto(f"{site.url}/#/nodes/{one.name}")
        expect(page.get_by_role("region", name="Jobs")).to_contain_text("Not available")
        expect(page.get_by_role("region", name="Timeline")).to_contain_text("enrolled")

    def test_the_network_page_says_what_was_dropped_and_why(
        self, link: BootLink, seen: Watched
    ) -> None:
        link.dropped({"dhcp: not a boot client": 381})
        page = seen.open("#/network")
        row = page.get_by_role("row", name=re.compile("dhcp: not a boot client"))
        expect(row).to_contain_text("381")

    def test_after_a_restart_of_the_server_it_goes_on_where_it_was(
        self, browser: Browser, one: Machine, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        site = DashboardSite(tmp_path_factory.mktemp("restarted"))
        with watched(browser, site) as seen:
            with site.serving():
                site.add(one.name, one.number)
                page = seen.open()
                live(page)
            expect(page.get_by_text("Reconnecting")).to_be_visible()
            with site.serving():
                with closing(BootLink(site)) as link:
                    link.tell(*events([*FIRMWARE, *LOADER], one.number, one.name))
                expect(strip(page.locator("tbody"))).to_have_accessible_name(
                    re.compile("Boot: at iPXE")
                )
                live(page)
            seen.wrong[:] = [line for line in seen.wrong if "net::ERR" not in line]


class TestFolding:
    """A machine's events are folded in the browser by the very rules of ``netboot.stages``."""

    SAID: Sequence[tuple[Kind, dict[str, str | int]]] = (
        *((Kind.DISCOVER, {"firmware": firmware}) for firmware in ("uefi", "uefi", "ipxe")),
        *((kind, {}) for kind in (Kind.OFFER, Kind.REQUEST_4011, Kind.ACK_4011, Kind.PROBE)),
        *((kind, {}) for kind in (Kind.LOADER, Kind.KERNEL, Kind.INITRD, Kind.PRESEED)),
        (Kind.MEDIA, {}),
        (Kind.SCRIPT, {"profile": "debian-12", "image": "debian-12"}),
        (Kind.SCRIPT, {"profile": "local", "image": ""}),
        (Kind.PROGRESS, {"stage": "early"}),
        (Kind.PROGRESS, {"stage": "partition"}),
        (Kind.SYSLOG, {"stage": "base-system"}),
        (Kind.SYSLOG, {"stage": "late"}),
        (Kind.INSTALLED, {}),
        (Kind.FILE, {}),
        (Kind.NOT_SERVED, {}),
        (Kind.IGNORED, {}),
        (Kind.FAILED, {}),
        (Kind.FAILED, {"file": "snponly.efi"}),
        (Kind.STALLED, {}),
    )

    def history(self, chance: random.Random) -> list[Event]:
        """A machine's events, most of them in the order that boots have."""
        now, place, found = 1e9, 0, [Event(Kind.DISCOVER, mac(1), "n1", time=1e9)]
        for _ in range(chance.randrange(1, 40)):
            now += chance.choice([0.1, 1.0, 20.0, 299.0, 301.0])
            place = (
                (place + 1) % len(self.SAID)
                if chance.random() < 0.7
                else chance.randrange(len(self.SAID))
            )
            kind, data = self.SAID[place]
            found.append(Event(kind, mac(1), "n1", "", data, now))
        return found

    def folded(self, history: Sequence[Event]) -> list[list[object]]:
        """What the server makes of it: a line for each boot."""
        found: dict[float, Boot] = {}
        boot: Boot | None = None
        for event in history:
            boot = follow(boot, event)
            found[boot.begun] = boot
        return [
            [one.begun, one.stage.slug, one.trouble and one.trouble.value, one.profile]
            for one in found.values()
        ]

    def test_as_the_server_does(self, seen: Watched) -> None:
        chance = random.Random(2131)  # noqa: S311 -- the same histories each time
        histories = [self.history(chance) for _ in range(400)]
        page = seen.open()
        found = page.evaluate(
            """async histories => {
                const { boots, WAITS_FOR } = await import("/ui/boots.js");
                const said = one =>
                    [one.begun, WAITS_FOR[one.stage], one.trouble?.kind ?? null, one.profile];
                return histories.map(history => boots(history).map(said));
            }""",
            [
                [{"id": number, **msgspec.to_builtins(one)} for number, one in enumerate(history)]
                for history in histories
            ],
        )
        for history, one in zip(histories, found, strict=True):
            assert one == self.folded(history), [(e.kind.value, e.data, e.time) for e in history]


class TestActing:
    def test_an_install_is_asked_by_keyboard_only(
        self, site: DashboardSite, one: Machine, seen: Watched
    ) -> None:
        site.add(one.name, one.number, state="installed")
        page = seen.open()
        tab_to(page, "link", one.name)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name=one.name, level=1)).to_be_focused()
        tab_to(page, "button", "Install…")
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name=f"Reinstall {one.name}?")
        expect(dialog).to_contain_text("all that is on its disk is lost")
        expect(dialog.get_by_role("button", name="Back")).to_be_focused()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        assert site.node(one.name)["state"] == "installed"
        expect(page.get_by_role("button", name="Install…")).to_be_focused()
        page.keyboard.press("Enter")
        tab_to(page, "button", f"Erase and reinstall {one.name}")
        page.keyboard.press("Enter")
        await_(lambda: "installing" in site.node(one.name)["state"], "the installation")
        expect(page.locator(".title .badge")).to_have_text(re.compile("installing"))
        expect(page.get_by_role("button", name="Install…")).to_be_focused()

    def test_how_it_is_installed_is_chosen_by_keyboard_from_what_is_possible(
        self, site: DashboardSite, one: Machine, seen: Watched
    ) -> None:
        site.add(one.name, one.number)
        page = seen.open(f"#/nodes/{one.name}")
        ask, dialog = page.get_by_role("button", name="Install…"), page.get_by_role("dialog")
        ask.press("Enter")
        for choice, why in (
            ("HTTP boot", f"{one.name} has no BMC."),
            ("Virtual media", f"{one.name} has no BMC."),
            ("A disk image", "None is here: netboot image build debian-13-disk makes one."),
        ):
            expect(dialog.get_by_role("radio", name=choice)).to_be_disabled()
            expect(dialog.get_by_role("radio", name=choice)).to_have_accessible_description(why)
        page.keyboard.press("Escape")
        for image, *files in (("springboard",), ("deploy",), ("mine", "disk.raw.zst")):
            site.image(image, *files)
        site.ask("PATCH", f"nodes/{one.name}", {"bmc": {"address": "redfish://127.0.0.1:9"}})
        page.reload()
        ask.press("Enter")
        tab_to(page, "radio", "Automatic")
        for _ in range(2):
            page.keyboard.press("ArrowDown")
        expect(dialog.get_by_role("radio", name="Virtual media")).to_be_focused()
        tab_to(page, "radio", "What its profile installs")
        page.keyboard.press("ArrowDown")
        expect(dialog).to_contain_text(f"The disk of {one.name} is erased, and mine is written")
        typed = f"netboot node install {one.name} --via media --image mine"
        expect(dialog.locator("code")).to_have_text(typed)
        tab_to(page, "button", f"Erase and install {one.name}")
        page.keyboard.press("Enter")
        expect(dialog).to_have_count(0)
        [job] = await_(lambda: site.ask("GET", f"jobs?node={one.name}")["jobs"], "the job")
        assert (job["asked"]["via"], job["asked"]["image"]) == ("media", "mine")
        site.ask("POST", f"jobs/{job['id']}/cancel")

    def test_its_power_is_switched_and_its_bmc_asked_on_demand(
        self, site: DashboardSite, one: Machine, seen: Watched
    ) -> None:
        site.switch.write_text("off")
        site.add(one.name, one.number, bmc={"address": "command:switch"})
        page = seen.open(f"#/nodes/{one.name}")
        bmc = page.get_by_role("region", name="BMC")
        bmc.get_by_role("button", name="Ask it now").click()
        expect(bmc).to_contain_text("It answered at")
        expect(bmc.locator("dd").filter(has_text=re.compile("^off$"))).to_be_visible()
        page.get_by_role("button", name="Power on…").click()
        dialog = page.get_by_role("dialog", name=f"Power on {one.name}?")
        expect(dialog).to_contain_text(f"{one.name} is switched on.")
        dialog.get_by_role("button", name=f"Power on {one.name}").click()
        expect(page.locator(".toast").filter(has_text="switched on")).to_be_visible()
        assert site.switch.read_text() == "on"

    def test_a_job_is_seen_cancelled_and_retried(
        self, site: DashboardSite, one: Machine, seen: Watched
    ) -> None:
        site.add(one.name, one.number, state="installed")
        asked = {"reinstall": True, "power": False}
        site.ask("POST", "jobs", {"kind": "install", "nodes": [one.name], "asked": asked})
        page = seen.open("#/jobs")
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name=one.name))
        expect(row).to_contain_text("waits for somebody to switch")
        row.get_by_role("button", name=re.compile("^Cancel")).click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
        expect(row.locator(".badge")).to_have_text("cancelled")
        row.get_by_role("button", name=re.compile("^Retry")).click()
        page.get_by_role("dialog").get_by_role("button", name="Retry the job").click()
        expect(row.locator(".badge")).to_have_text(re.compile("queued|active"))
        page.get_by_role("link", name="Audit").click()
        expect(page.get_by_role("row", name=re.compile("retry")).first).to_contain_text("admin")

    def test_what_is_out_of_service_comes_back(
        self, site: DashboardSite, one: Machine, seen: Watched
    ) -> None:
        site.add(one.name, one.number)
        site.ask("POST", "nodes:state", {"names": [one.name], "cause": "maintain"})
        page = seen.open(f"#/nodes/{one.name}")
        expect(page.get_by_role("button", name="Install…")).to_have_accessible_description(
            f"{one.name} is out of service (maintenance)."
        )
        page.get_by_role("button", name="Back to service…").click()
        page.get_by_role("dialog").get_by_role("button", name="Put ").click()
        expect(page.locator(".title .badge")).to_have_text("enrolled")

    def test_many_are_asked_at_once(
        self, site: DashboardSite, many: list[Machine], seen: Watched
    ) -> None:
        three = many[:3]
        for each in three:
            site.add(each.name, each.number, state="installed")
        page = seen.open()
        page.get_by_role("checkbox", name=f"Choose {three[0].name}").check()
        page.get_by_role("checkbox", name=f"Choose {three[2].name}").check()
        bar = page.get_by_role("region", name="Chosen nodes")
        expect(bar).to_contain_text("2 nodes chosen")
        bar.get_by_role("button", name="Install…").click()
        page.get_by_role("button", name="Erase and reinstall 2 nodes").click()
        await_(
            lambda: (
                [site.node(each.name)["state"] == "installed" for each in three]
                == [False, True, False]
            ),
            "the installations",
        )

    def test_a_button_that_cannot_be_pressed_says_why(
        self, site: DashboardSite, one: Machine, seen: Watched
    ) -> None:
        site.add(one.name, one.number, profile="local")
        page = seen.open(f"#/nodes/{one.name}")
        actions = page.get_by_role("group", name="Actions")
        for name, why in (
            ("Install…", "Its profile local installs nothing."),
            (
                "Power on…",
                f"{one.name} has no BMC: netboot node set {one.name} --bmc URL says where it is.",
            ),
            ("Cancel job…", f"No job of {one.name} is under way."),
        ):
            button = actions.get_by_role("button", name=name)
            expect(button).to_have_attribute("aria-disabled", "true")
            expect(button).to_have_accessible_description(why)
            expect(actions.locator(".why")).to_contain_text(why)
            button.press("Enter")
            expect(page.locator(".toast").last).to_contain_text(why)
            expect(page.get_by_role("dialog")).to_have_count(0)

    def test_who_may_only_read_is_offered_nothing_else(
        self, site: DashboardSite, one: Machine, seen: Watched
    ) -> None:
        site.add(one.name, one.number)
        page = seen.open(f"#/nodes/{one.name}", token=site.new_token("reader", "read"))
        install = page.get_by_role("button", name="Install…")
        expect(install).to_have_accessible_description(
            "Your token may only read; this needs the role operate."
        )
        expect(page.get_by_role("link", name="Audit")).to_have_count(0)
        page.goto(f"{site.url}/#/")
        expect(page.get_by_role("link", name=one.name, exact=True)).to_be_visible()
        expect(page.get_by_role("checkbox")).to_have_count(0)


class TestBeginning:
    def test_it_asks_for_a_token_first(
        self, site: DashboardSite, one: Machine, seen: Watched
    ) -> None:
        site.add(one.name, one.number)
        page = seen.page
        page.goto(f"{site.url}/#/nodes/{one.name}")
        expect(page.get_by_label("Token", exact=True)).to_be_focused()
        page.keyboard.type("not-a-token")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("The server does not know this token.")
        page.get_by_label("Token", exact=True).fill(site.token)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name=one.name, level=1)).to_be_visible()
        assert site.token not in page.content()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Token", exact=True)).to_be_focused()
        page.reload()
        expect(page.get_by_label("Token", exact=True)).to_be_focused()

    def test_a_token_that_was_removed_meanwhile_leads_back_to_the_sign_in_page(
        self, site: DashboardSite, one: Machine, seen: Watched
    ) -> None:
        site.add(one.name, one.number)
        page = seen.open(token=site.new_token("leaver", "operate"))
        live(page)
        site.ask("DELETE", "tokens/leaver")
        page.evaluate("location.hash = '#/network'")  # unless its stream has ended already
        expect(page.get_by_label("Token", exact=True)).to_be_visible()

    def test_without_a_node_it_says_what_to_do_and_enrols_a_machine_that_asks(
        self, site: DashboardSite, link: BootLink, seen: Watched
    ) -> None:
        page = seen.open()
        live(page)
        expect(page.get_by_text("sudo netboot doctor")).to_be_visible()
        expect(page.get_by_text("netboot node import nodes.yaml")).to_be_visible()
        stranger = 0xABCD
        told = [*FIRMWARE[:1], (Kind.IGNORED, "it belongs to no node", {})]
        link.tell(*events(told, stranger, None))
        page.get_by_role("button", name=f"Enrol {mac(stranger)}").click()
        dialog = page.get_by_role("dialog")
        name = dialog.get_by_label("Name", exact=True)
        expect(name).to_be_focused()
        name.fill("Not A Name")
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("alert")).to_contain_text("must be a host name")
        name.fill("rack1-a")
        expect(dialog.get_by_text("netboot node add rack1-a")).to_contain_text(
            f"--mac {mac(stranger)} --profile debian-12"
        )
        page.keyboard.press("Enter")
        expect(page.get_by_role("rowheader").get_by_role("link", name="rack1-a")).to_be_visible()
        assert site.node("rack1-a")["macs"] == [mac(stranger)]
        expect(page.get_by_text("sudo netboot doctor")).to_be_hidden()


class TestVolume:
    def test_a_nodes_page_says_what_it_starts_from(
        self, site: DashboardSite, one: Machine, seen: Watched
    ) -> None:
        target = "iqn.2026-01.com.example:disk1"
        site.add(one.name, one.number, profile="volume")
        volume = {"name": f"v-{one.name}", "target": target, "portal": "192.0.2.5"}
        site.ask("POST", "volumes", volume)
        site.ask("PATCH", f"volumes/v-{one.name}", {"node": one.name})
        page = seen.open(f"#/nodes/{one.name}")
        page.get_by_text("Identity, labels and variables").click()
        expect(page.locator(".known")).to_contain_text(f"v-{one.name}: LUN 1 of {target}")


class TestHostileText:
    def test_it_is_shown_and_not_run(
        self, site: DashboardSite, one: Machine, link: BootLink, seen: Watched
    ) -> None:
        site.add(one.name, one.number, vars={"motd": HOSTILE}, serial="<b>serial</b>")
        link.tell(
            *events([(Kind.DISCOVER, HOSTILE, {"firmware": HOSTILE})], one.number, one.name),
            *events(
                [(Kind.SYSLOG, HOSTILE, {}), (Kind.CONSOLE, HOSTILE, {})], one.number, one.name
            ),
            *events(
                [(Kind.STALLED, f"x. Usual cause: {HOSTILE}", {"stage": HOSTILE})],
                one.number,
                one.name,
            ),
            *events([(Kind.DISCOVER, HOSTILE, {"arch": 7})], 2, None),
        )
        page = seen.open()
        for path in (f"#/nodes/{one.name}", "#/", "#/network", "#/audit"):
            page.goto(f"{site.url}/{path}")
            live(page)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.goto(f"{site.url}/#/nodes/{one.name}")
        timeline = page.get_by_role("region", name="Timeline")
        expect(timeline.locator(".event").filter(has_text=HOSTILE)).to_have_count(2)
        expect(page.locator(".log > div").first).to_contain_text(HOSTILE)
        page.get_by_text("Identity, labels and variables").click()
        expect(page.locator(".known")).to_contain_text(HOSTILE)
        assert page.locator("main img, main b, main script").count() == 0
        assert page.title() == f"{one.name} · netboot"
