// What the browser tests stand on: a server of our own with a fresh data directory, and a browser with a fresh profile.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const root = resolve(import.meta.dirname, "../..");
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** The server to test: TRAINYARD_BIN, or the debug build. */
export const binary = process.env.TRAINYARD_BIN ?? join(root, "target/debug/trainyard");

/** The browser: CHROMIUM, or wherever a system keeps one. */
export const browserPath = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
].find((path) => path && existsSync(path));

/** Starts a server on a free port; `close` ends it and clears its data. */
export async function startServer(environment = {}) {
  const directory = mkdtempSync(join(tmpdir(), "trainyard-e2e-"));
  const child = spawn(binary, ["serve", "--listen", "127.0.0.1:0", "--data-dir", directory, "--workers", "1"], {
    env: { ...process.env, TRAINYARD_API_KEY: "", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise((done) => child.once("exit", done));
  let log = "";
  child.stderr.on("data", (piece) => {
    log = (log + piece).slice(-20_000);
  });
  const url = await new Promise((found, fail) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const address = /^listening on (http:\S+)/.exec(line)?.[1];
      if (address) found(address);
    });
    ended.then((code) => fail(new Error(`the server ended with ${code} before it listened:\n${log}`)));
    child.once("error", fail);
  });
  return {
    url,
    log: () => log,
    close: async () => {
      child.kill("SIGTERM");
      const slow = setTimeout(() => child.kill("SIGKILL"), 30_000);
      await ended;
      clearTimeout(slow);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export async function startBrowser() {
  return chromium.launch({
    executablePath: browserPath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A page in a profile of its own; whatever the page complains about is collected and must be asked for. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // A refused request is told by the page itself; the browser's own line about it is no fault.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      complaints.push(message.text());
    }
  });
  return { page, complaints, close: () => context.close() };
}

/** The violations that axe finds on a page, as readable lines. */
export async function violations(page) {
  // Through the debugging protocol, so that the page's own policy stays as it is.
  const source = (await import("node:fs")).readFileSync(axe, "utf8");
  await page.evaluate(source);
  const { violations: found } = await page.evaluate(() =>
    axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
  );
  return found.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}\n${nodes.map((n) => `    ${n.html}\n      ${n.failureSummary}`).join("\n")}`,
  );
}

/** How many pixels of the first chart have ink near the given colour class. */
export async function inked(page, className) {
  return page.evaluate((name) => {
    const canvas = document.querySelector(".chart canvas");
    if (!canvas) return 0;
    const probe = document.createElement("span");
    probe.className = name;
    document.body.append(probe);
    const wanted = getComputedStyle(probe).color.match(/\d+/g).map(Number);
    probe.remove();
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      const near = [0, 1, 2].every((c) => Math.abs(data[at + c] - wanted[c]) < 30);
      if (near && data[at + 3] > 128) count += 1;
    }
    return count;
  }, className);
}
