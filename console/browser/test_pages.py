"""The console in a real browser: quiet, readable by everybody, and moved by no name."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import LONG, PICTURES, SCRIPT
from playwright.sync_api import expect


def picture(visitor, name):
    PICTURES.mkdir(parents=True, exist_ok=True)
    visitor.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def shape(address):
    return re.sub(r"\W+", "-", re.sub(r"^https?://[^/]+", "", address)).strip("-") or "home"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_quiet_loads_nothing_from_elsewhere_and_can_be_read_by_all(
    visit, demo, scheme
):
    visitor = visit(demo, color_scheme=scheme)
    found, wrong = 0, []
    for address in visitor.walk():
        found += 1
        expect(visitor.page.locator("h1")).to_have_count(1)
        picture(visitor, f"{scheme}-{shape(address)[:80]}")
        results = Axe().run(visitor.page)
        for violation in results.response["violations"]:
            nodes = [node["html"][:200] for node in violation["nodes"][:3]]
            wrong.append(f"{address}: {violation['id']}: {violation['help']}: {nodes}")
    assert not wrong, "\n".join(wrong)
    assert found >= 8, f"only {found} pages were found"


def test_every_page_is_whole_without_a_script(visit, demo):
    # Without a script the browser tells of links by its own means alone.
    visitor = visit(demo, java_script_enabled=False)
    paths = ["/", "/events", "/runs", "/refreshes", "/connections", "/sources", "/notices", "/overview"]
    for path in [*paths, "/audit"]:
        visitor.open(path)
        assert visitor.page.locator("main").inner_text().strip(), path


def test_no_page_is_wider_than_a_phone(visit, demo):
    visitor = visit(demo, viewport={"width": 390, "height": 844})
    too_wide = []
    for address in visitor.walk(of_a_kind=1):
        wide = visitor.page.evaluate("document.documentElement.scrollWidth")
        if wide > 390:
            too_wide.append(f"{address}: {wide}")
    assert not too_wide, too_wide


def test_hostile_names_are_shown_as_what_they_are(visit, hostile):
    visitor = visit(hostile)
    texts = []
    for address in visitor.walk(of_a_kind=6):
        assert visitor.page.evaluate("window.pwned") is None, address
        texts.append(visitor.page.locator("body").inner_text())
        picture(visitor, f"hostile-{shape(address)[:80]}")
        width = visitor.page.viewport_size["width"]
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width, address
    assert any(SCRIPT.split(">")[0] in text for text in texts), "the name is shown"
    assert not any("\u202e" in text for text in texts), "nothing turns the text around it"
    assert all(len(text) < 5 * len(LONG) for text in texts)


def test_a_newcomer_finds_the_stale_dashboard_learns_why_and_refreshes_it(visit, demo):
    visitor = visit(demo)
    page = visitor.page
    visitor.open("/")
    row = page.get_by_role("row").filter(has_text="margin-report")
    expect(row).to_contain_text("failed", ignore_case=True)
    expect(row).to_contain_text("Report not found")
    row.get_by_role("link", name="margin-report").click()
    page.get_by_role("button", name=re.compile("retry|refresh again", re.I)).first.click()
    confirm = page.get_by_role("button", name=re.compile("^(yes|confirm|retry)", re.I))
    if confirm.count():
        confirm.first.click()
    visitor.open("/")
    expect(row).to_contain_text("fresh", ignore_case=True, timeout=20_000)
    expect(row).not_to_contain_text("Report not found")


def test_an_open_page_shows_what_happens_until_it_is_paused(visit, demo):
    visitor = visit(demo)
    page = visitor.page
    visitor.open("/events")
    newest = page.locator("tbody tr").first
    before = newest.inner_text()
    # The demo's dbt sends an event every 20 s.
    expect(newest).not_to_have_text(before, timeout=30_000)
    pause = page.get_by_role("button", name="Pause")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")
    visitor.open("/")
    expect(page.get_by_role("button", name="Paused")).to_be_visible()


def test_somebody_learns_what_nobody_was_told_mends_it_and_has_it_told(visit, untold):
    address, channel = untold
    visitor = visit(address)
    page = visitor.page
    visitor.open("/overview")
    expect(page.get_by_role("status")).to_contain_text("could not be told")
    visitor.open("/")
    page.get_by_role("link", name="1 notice").click()
    row = page.get_by_role("row").filter(has_text="dbt job Nightly build failed")
    expect(row).to_contain_text("failed")
    expect(row).to_contain_text("400")
    row.get_by_role("link").first.click()
    picture(visitor, "notice-failed")
    channel.takes = True
    page.get_by_role("button", name="Tell it again").click()
    expect(page.locator("#notice")).to_contain_text("that it began", timeout=20_000)
    visitor.open("/")
    expect(page.locator("#untold")).to_be_empty()


def test_what_a_person_has_opened_ticked_and_reached_stays_when_a_page_shows_what_is_new(visit, demo):
    visitor = visit(demo)
    page = visitor.page
    visitor.open("/refreshes?since=24h")
    newest = page.locator("tbody tr").first
    box = newest.get_by_role("checkbox")
    ticked = box.get_attribute("value")
    box.check()
    before = newest.inner_text()
    # The demo's dbt sends an event every 20 s.
    expect(newest).not_to_have_text(before, timeout=60_000)
    same = page.locator(f"tbody input[value='{ticked}']")
    expect(same).to_be_checked()
    expect(same).to_be_focused()
    target = newest.get_by_role("link").nth(1).inner_text()
    visitor.open(f"/targets/{target}")
    page.get_by_text("As a table").click()
    table = page.locator("#lag-section details")
    expect(table).to_have_attribute("open", "")
    part = page.locator("#lag-section").element_handle()
    page.wait_for_function("part => !part.isConnected", arg=part, timeout=90_000)
    expect(table).to_have_attribute("open", "")


def test_an_id_is_copied_whole(visit, demo):
    visitor = visit(demo, permissions=["clipboard-read", "clipboard-write"])
    page = visitor.page
    visitor.open("/runs")
    page.locator("tbody th a").first.click()
    page.get_by_role("button", name="Copy the id of the run").click()
    run = page.locator("dl code").first.inner_text()
    assert page.evaluate("navigator.clipboard.readText()") == run
