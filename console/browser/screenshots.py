"""Makes the pictures of the README from the demo's data: python screenshots.py [FOLDER]."""

import sys
from pathlib import Path

import programs
from conftest import chromium_path
from playwright.sync_api import sync_playwright

FOLDER = programs.ROOT / "docs" / "screenshots"


def ways(page, address):
    """The pages worth a picture, by name; each is opened as a person comes to it."""
    page.goto(address)
    yield "freshness"
    page.goto(f"{address}events")
    page.locator("tbody tr").filter(has_text="Costs mart").locator("th a, td a").first.click()
    yield "event"


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    running, address = programs.demo()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium_path(), args=["--no-sandbox"]
            )
            for scheme in ["light", "dark"]:
                viewport = {"width": 1100, "height": 700}
                page = browser.new_page(color_scheme=scheme, viewport=viewport)
                for name in ways(page, address):
                    page.screenshot(path=folder / f"{name}-{scheme}.png")
            browser.close()
    finally:
        running.end()


if __name__ == "__main__":
    main()
