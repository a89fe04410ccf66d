// Refreshes the page in place, and moves one crosshair over all charts. Everything works without it.
"use strict";
(() => {
  const PAUSE = 5000;
  let pointer = null; // Where the crosshair is, 0 to 1 of the charts' width.

  async function refresh() {
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", headers: { accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const open = [...document.querySelectorAll("details")].map((details) => details.open);
      page.querySelectorAll("details").forEach((details, place) => { details.open = Boolean(open[place]); });
      const main = page.querySelector("main");
      if (main && !getSelection().toString()) {
        document.querySelector("main").replaceWith(document.adoptNode(main));
        document.title = page.title;
        cross();
      }
    } catch {
      // The next attempt may find the server again; until then the page must not look fresh.
      document.title = "NO ANSWER · kdcube-metrics";
      const bar = document.querySelector(".verdict");
      if (bar) {
        bar.className = "verdict blind";
        bar.querySelector("h1").textContent = "NO ANSWER from this server: what is below is old";
      }
    }
  }

  const time = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

  // The value of a path at x: of the nearest point that is not farther than a fiftieth of the width.
  function valueAt(path, x, top) {
    let best = null, at = 0, y = 0;
    for (const [, command, first, second] of path.matchAll(/([MLHV])([\d.]+)(?: ([\d.]+))?/g)) {
      if (command === "V") y = Number(first);
      else { at = Number(first); if (second !== undefined) y = Number(second); }
      const distance = Math.abs(at - x);
      if (distance <= 20 && (!best || distance <= best.distance)) best = { distance, value: (100 - y) / 100 * top };
    }
    return best && best.value;
  }

  function cross() {
    for (const chart of document.querySelectorAll("figure.chart")) {
      const plot = chart.querySelector(".plot");
      plot.querySelector(".cross")?.remove();
      if (pointer === null) continue;
      const line = document.createElement("span");
      line.className = "cross";
      line.style.left = `${pointer * 100}%`;
      const { top, from, to } = chart.dataset;
      const values = [...plot.querySelectorAll("path[data-label]")].map((path) => {
        const value = valueAt(path.getAttribute("d"), pointer * 1000, Number(top));
        return value === null ? null : `${path.dataset.label} ${Number(value.toPrecision(3))}`;
      });
      const at = Number(from) + pointer * (Number(to) - Number(from));
      line.title = [`${time(at)} UTC`, ...values.filter(Boolean)].join("\n");
      chart.title = line.title;
      plot.append(line);
    }
  }

  addEventListener("pointermove", (event) => {
    const plot = event.target.closest?.(".plot");
    const before = pointer;
    if (plot) {
      const box = plot.getBoundingClientRect();
      pointer = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    } else pointer = null;
    if (pointer !== before) cross();
  });
  setInterval(refresh, PAUSE);
})();
