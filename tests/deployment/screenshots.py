"""Makes the pictures of the documents: `target/venv/bin/python tests/deployment/screenshots.py`."""

import base64
import sys
import time

import browser
import project

IMAGES = project.ROOT / "docs/images"
PEACE = ["--rate", "1"]
STORM = ["--rate", "60"]


def shoot(driver, path):
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    path.write_bytes(base64.b64decode(shot["data"]))


def main(seconds):
    IMAGES.mkdir(exist_ok=True)
    for name, simulate, dark in [("peace", PEACE, False), ("storm", STORM, True)]:
        with browser.deployment(simulate) as deployed, browser.browser(dark=dark) as driver:
            # So that the charts have something to show.
            time.sleep(seconds)
            driver.get(deployed.address())
            shoot(driver, IMAGES / f"page-{name}.png")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 150)
