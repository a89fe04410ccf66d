"""The page in a real browser: what it says of a calm, a stormy, a missing and a silent deployment, and how it looks."""

import time
import unittest

import browser
from browser import until
from selenium.webdriver.common.by import By

# Contrast of each visible text with what is behind it, by the formula of WCAG 2; the least, with its text.
CONTRAST = """
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const colour = rgb(getComputedStyle(e).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
let least = [99, ""];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const element = node.parentElement, text = node.textContent.trim();
  if (!text || ["SCRIPT", "STYLE", "TITLE"].includes(element.tagName) || !element.getClientRects().length) continue;
  const [a, b] = [light(rgb(getComputedStyle(element).color)), light(behind(element))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < least[0]) least = [contrast, text];
}
return least;
"""
# Elements that reach beyond the window.
CUT = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll("main *")]
  .filter((e) => e.getClientRects().length && !e.closest("svg") && e.getBoundingClientRect().right > wide + 1)
  .map((e) => e.tagName + " " + e.className + " " + e.textContent.slice(0, 40));
"""


def verdict(driver):
    return driver.find_element(By.CSS_SELECTOR, ".verdict h1").text


def open_page(driver, deployed, path="/"):
    driver.get(deployed.address(path))
    return driver.find_element(By.TAG_NAME, "body").text


class Page(unittest.TestCase):
    def test_peace_is_calm_in_every_width_and_both_themes(self):
        with browser.deployment(["--rate", "1"]) as deployed:
            with browser.browser() as driver:
                def calm():
                    open_page(driver, deployed)
                    return verdict(driver).startswith("OK · acme/chat · Redis 127.0.0.1:")

                until("peace", calm)
                self.assertIn("5 of 5 workers", verdict(driver))
                self.assertGreater(driver.execute_script(CONTRAST)[0], 4.5)
                page = driver.execute_script("return document.documentElement.scrollHeight")
                charts = driver.find_elements(By.CSS_SELECTOR, "figure.chart")
                self.assertGreaterEqual(len(charts), 6)
                self.assertLess(charts[5].rect["y"] + charts[5].rect["height"], 900, f"one screen, of a page of {page}")
                # Every number leads to its explanation.
                driver.find_element(By.CSS_SELECTOR, "article a.n").click()
                self.assertIn("Where it comes from", driver.find_element(By.TAG_NAME, "body").text)
                self.assertIn("acme:chat:kdcube:", driver.find_element(By.TAG_NAME, "body").text)
                self.assertEqual([entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE" and "favicon" not in entry["message"]], [])
            with browser.browser(width=390, height=844, dark=True) as driver:
                open_page(driver, deployed)
                self.assertEqual(driver.execute_script("return document.documentElement.scrollWidth"), 390)
                self.assertEqual(driver.execute_script(CUT), [])
                contrast, text = driver.execute_script(CONTRAST)
                self.assertGreater(contrast, 4.5, text)

    def test_a_storm_is_loud_and_refreshes_by_itself(self):
        with browser.deployment(["--rate", "60"]) as deployed, browser.browser() as driver:
            open_page(driver, deployed)
            # The script replaces what is shown: the page is not loaded again.
            driver.execute_script("window.mark = 1")
            until("the storm", lambda: verdict(driver).startswith("OVERLOADED since "))
            until("refused requests", lambda: "requests refused in the last minute" in verdict(driver))
            self.assertEqual(driver.execute_script("return window.mark"), 1)
            self.assertRegex(verdict(driver), r"pressure [\d.,]+ · \d of \d processors full")
            self.assertTrue(driver.title.startswith("OVERLOADED"))

    def test_a_wrong_tenant_a_stale_snapshot_and_no_capacity_are_said(self):
        with browser.deployment(["--rate", "1"], tenant="Acme") as deployed, browser.browser() as driver:
            open_page(driver, deployed)
            self.assertRegex(verdict(driver), r"NOTHING FOUND since \S+ · Acme/chat · no key of Acme/chat is in this Redis")
        with browser.deployment(["--rate", "1"], METRICS_STALE_AFTER_SEC="3") as deployed, browser.browser() as driver:
            deployed.redis.kill()
            until("staleness", lambda: open_page(driver, deployed) and verdict(driver).startswith("STALE since "))
            self.assertIn("no number of the deployment is exported", verdict(driver))
            self.assertIn("source_unreachable", driver.find_element(By.CSS_SELECTOR, ".problems").text)
        with browser.deployment(["--rate", "1", "--proc", "0"]) as deployed, browser.browser() as driver:
            until("no capacity", lambda: open_page(driver, deployed) and verdict(driver).startswith("NO CAPACITY since "))

    def test_without_a_script_the_page_reloads(self):
        with browser.deployment(["--rate", "1"]) as deployed, browser.browser(script=False) as driver:
            self.assertIn("Queue by role", open_page(driver, deployed))
            refresh = driver.find_elements(By.CSS_SELECTOR, "noscript meta[http-equiv=refresh], meta[http-equiv=refresh]")
            self.assertEqual(len(refresh), 1)

    def test_with_a_token_a_browser_is_asked_for_it_once(self):
        with browser.deployment(["--rate", "1"], METRICS_AUTH_TOKEN="hunter2") as deployed, browser.browser() as driver:
            self.assertIn("Sign in", open_page(driver, deployed, "/explain/proc.queue.total"))

            def sign_in(token):
                driver.find_element(By.NAME, "token").send_keys(token)
                driver.find_element(By.TAG_NAME, "button").click()

            sign_in("hunter3")
            self.assertIn("This token is not accepted", driver.find_element(By.TAG_NAME, "body").text)
            sign_in("hunter2")
            self.assertEqual(driver.current_url, deployed.address("/explain/proc.queue.total"))
            (cookie,) = driver.get_cookies()
            self.assertEqual((cookie["httpOnly"], cookie["sameSite"], cookie["secure"]), (True, "Strict", False))
            self.assertNotIn("hunter", cookie["value"])
            self.assertIn("Workers", open_page(driver, deployed))
            # A session looks; it exports nothing.
            self.assertEqual(driver.execute_script("return fetch('/metrics/export').then((answer) => answer.status)"), 401)

    def test_2000_workers_are_a_small_page(self):
        with browser.deployment(["--proc", "1500", "--ingress", "500", "--rate", "1"]) as deployed, browser.browser() as driver:
            until("the fleet", lambda: "Workers: 2000" in open_page(driver, deployed))
            self.assertLess(len(driver.execute_script("return document.documentElement.outerHTML")), 300_000)
            began = time.monotonic()
            driver.execute_script("return fetch('/').then((answer) => answer.text())")
            # Unoptimized, beside other tests.
            self.assertLess(time.monotonic() - began, 2)

    def test_names_from_redis_are_text(self):
        with browser.deployment(["--rate", "1"]) as deployed, browser.browser() as driver:
            name = "<img src=x onerror=window.hurt=1>"
            key = f"acme:chat:kdcube:heartbeat:process:{name}:chat:proc:7"
            beat = '{"instance_id": "%s", "service_type": "chat", "service_name": "proc", "process_id": 7, "current_load": 1, "max_capacity": 5, "last_heartbeat": %f, "health_status": "ServiceHealth.HEALTHY"}'
            deployed.cli("SET", key, beat % (name, time.time()))
            deployed.cli("ZADD", "acme:chat:kdcube:system:capacity:process-index:chat:proc", str(time.time()), key)
            until("the worker", lambda: name in open_page(driver, deployed))
            self.assertIsNone(driver.execute_script("return window.hurt ?? null"))
            self.assertEqual(driver.find_elements(By.CSS_SELECTOR, "main img"), [])


if __name__ == "__main__":
    unittest.main()
