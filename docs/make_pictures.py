"""Draw docs/images/viewer.png: the viewer, at one step of the 2-10-2 network.

    python docs/make_pictures.py

Needs the extra ``test`` (Playwright) and a Chromium on the PATH, or its path in $CHROMIUM.
"""

import os
import runpy
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
STEP = "en,light,14"  # the gradient has arrived at the output layer
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main() -> None:
    """Open the example's page in Chromium, and photograph it."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        raise SystemExit("Expected chromium on the PATH, or its path in $CHROMIUM.")
    trace = runpy.run_path(str(ROOT / "examples/explain/two_ten_two.py"))["main"]()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1120, "height": 760})
        page.goto(f"{trace.save(Path(folder) / 'page.html').as_uri()}#{STEP}")
        page.wait_for_timeout(400)  # the colours of a step fade in
        page.screenshot(path=ROOT / "docs/images/viewer.png")
        browser.close()


if __name__ == "__main__":
    main()
