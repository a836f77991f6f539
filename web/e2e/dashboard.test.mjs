// The dashboard as a person meets it: a real Chromium against a real server. Without a browser the stories are skipped,
// loudly; in CI that is a failure.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { binary, browserPath, inked, openPage, startBrowser, startServer, violations } from "./kit.mjs";

const iris = join(import.meta.dirname, "../../src/data/samples/iris.csv");
const missing = !browserPath
  ? "no Chromium here: install one or name it in CHROMIUM"
  : !existsSync(binary)
    ? `no server at ${binary}: build it or name it in TRAINYARD_BIN`
    : null;
if (missing && process.env.CI) throw new Error(`${missing}; CI may not skip the browser tests`);
if (missing) console.error(`\n!!! BROWSER TESTS SKIPPED: ${missing}\n`);

/** Fails with axe's own words. */
async function accessible(page, where) {
  const found = await violations(page);
  assert.equal(found.length, 0, `axe on ${where}:\n${found.join("\n")}`);
}

/** A picture of the whole page, where somebody wants to look at it. */
async function shot(page, name) {
  if (process.env.E2E_SHOTS) await page.screenshot({ path: `${process.env.E2E_SHOTS}/${name}.png`, fullPage: true });
}

/** How many points the chart says it has. */
async function points(page) {
  const label = await page.locator(".chart[role=img]").getAttribute("aria-label");
  return Number(/(\d+) points/.exec(label ?? "")?.[1] ?? 0);
}

/** Waits until the chart shows a line: so many pixels in its colour. */
async function drawn(page, line, pixels) {
  let count = 0;
  for (let look = 0; look < 50; look += 1) {
    count = await inked(page, line);
    if (count >= pixels) return;
    await page.waitForTimeout(100);
  }
  assert.fail(`${line} is not in the picture: ${count} pixels of its colour`);
}

describe("the dashboard", { skip: missing ?? false }, () => {
  let server;
  let browser;

  before(async () => {
    server = await startServer();
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  async function story(run, options) {
    const { page, complaints, close } = await openPage(browser, options);
    try {
      await run(page);
      assert.deepEqual(complaints, [], "the page complained");
    } catch (error) {
      if (process.env.E2E_SHOTS) await page.screenshot({ path: `${process.env.E2E_SHOTS}/failed.png`, fullPage: true });
      error.message += `\n(at ${page.url()}; the server's last words: ${server.log().slice(-1500)})`;
      throw error;
    } finally {
      await close();
    }
  }

  it("says what to do when there is nothing yet", () =>
    story(async (page) => {
      await page.goto(`${server.url}/`);
      await page.getByRole("heading", { name: "No jobs yet" }).waitFor();
      await accessible(page, "the empty list of jobs");
      await page.goto(`${server.url}/jobs/new`);
      await page.getByText("There is no dataset yet").waitFor();
    }));

  it("makes a model of a file: upload, form, curve, evaluation", () =>
    story(async (page) => {
      await page.goto(`${server.url}/datasets`);
      await page.setInputFiles("#file", iris);
      await page.getByRole("button", { name: "Upload", exact: true }).click();
      await page.getByRole("heading", { name: "iris", exact: true, level: 1 }).waitFor();
      await page.getByRole("heading", { name: "species", exact: true }).waitFor();
      assert.equal(await page.locator(".card").count(), 5);
      await accessible(page, "a dataset");

      await page.getByRole("link", { name: "Train on it" }).click();
      await page.locator(".list th code").first().waitFor();
      assert.equal(await page.locator("#target").inputValue(), "species");
      await accessible(page, "the form");
      await page.fill("#name", "from-the-form");
      await page.fill("#hidden", "16, 8");
      await page.fill("#epochs", "200");
      await page.fill("#more", '{"seed": 7, "checks": ["gradient"], "split": {"validation": 0.2, "test": 0.2}}');
      await page.getByRole("button", { name: "Start training" }).click();

      await page.getByRole("heading", { name: "from-the-form" }).waitFor();
      await page.locator("[data-status=succeeded]").waitFor();
      await page.locator(".chart canvas").waitFor();
      await page.waitForFunction(() => /[1-9]\d* points/.test(document.querySelector(".chart")?.ariaLabel ?? ""));
      for (const line of ["line-train", "line-validation"]) await drawn(page, line, 100);
      await page.locator(".confusion .hit").first().waitFor();
      assert.equal(await page.locator(".confusion .hit").count(), 3);
      await page.locator(".check", { hasText: "gradient" }).getByText("passed").first().waitFor();
      await page.locator(".log li").first().waitFor();
      await accessible(page, "a finished job");

      await page.getByText("Predict", { exact: true }).first().click();
      await page.locator(".predict .task b").waitFor();
      await page.getByText("the data say setosa").waitFor();
      await accessible(page, "a prediction");

      // Test rows were asked for, so they can be asked about; the other scale and the steps draw as well.
      await page.locator(".evaluation").getByRole("radio", { name: "test" }).check();
      await page.locator(".confusion .hit").first().waitFor();
      await page.getByRole("radio", { name: "linear" }).check();
      await page.getByRole("radio", { name: "step" }).check();
      await page.waitForFunction(() => /over step/.test(document.querySelector(".chart")?.ariaLabel ?? ""));

      const download = page.waitForEvent("download");
      await page
        .getByRole("button", { name: /safetensors/ })
        .first()
        .click();
      assert.match((await download).suggestedFilename(), /\.safetensors$/);
    }));

  it("draws a curve that grows while the job runs, and cancels it", () =>
    story(async (page) => {
      await page.goto(`${server.url}/jobs/new?dataset=iris`);
      await page.locator(".list th code").first().waitFor();
      await page.fill("#name", "long");
      await page.fill("#epochs", "1000000");
      await page.fill("#more", '{"early_stopping": false}');
      await page.getByRole("button", { name: "Start training" }).click();
      await page.locator("[data-status=running]").waitFor();
      await page.locator(".chart canvas").waitFor();
      const first = await points(page);
      await page.waitForFunction(
        (before) => Number(/(\d+) points/.exec(document.querySelector(".chart")?.ariaLabel ?? "")?.[1]) > before,
        first,
      );
      await drawn(page, "line-train", 20);
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.locator("[data-status=cancelled]").waitFor();
    }));

  it("asks for nothing while nobody looks", () =>
    story(async (page) => {
      let asked = 0;
      page.on("request", () => {
        asked += 1;
      });
      await page.goto(`${server.url}/jobs`);
      await page.getByRole("link", { name: "long" }).waitFor();
      await page.evaluate(() => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
        document.dispatchEvent(new Event("visibilitychange"));
      });
      await page.waitForTimeout(1300); // what was already under way may end
      asked = 0;
      await page.waitForTimeout(2500);
      assert.equal(asked, 0);
      await page.evaluate(() => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => false });
        document.dispatchEvent(new Event("visibilitychange"));
      });
      await page.waitForTimeout(500);
      assert.ok(asked > 0, "and goes on when somebody does");
    }));

  it("shows every fault of a spec beside the form, before anything starts", () =>
    story(async (page) => {
      await page.goto(`${server.url}/jobs/new?dataset=iris`);
      await page.locator(".list th code").first().waitFor();
      await page.fill("#more", '{"learing_rate": 1, "batch_size": 0}');
      const faults = page.getByRole("alert").filter({ hasText: "The server would refuse this" });
      await faults.waitFor();
      for (const pointer of ["/learing_rate", "/batch_size"])
        await faults.getByText(pointer, { exact: true }).waitFor();
      await page.fill("#more", "{");
      await page.getByText("This is not JSON").waitFor();
      await accessible(page, "a form with faults");
    }));

  it("lists the jobs with their curves, in the dark too, and is usable by keyboard", () =>
    story(
      async (page) => {
        await page.goto(`${server.url}/jobs`);
        await page.locator(".spark path").first().waitFor();
        await accessible(page, "the list in the dark");
        await page.keyboard.press("Tab");
        await page.keyboard.press("Enter"); // skips to the content
        const name = page.getByRole("link", { name: "from-the-form" });
        for (let i = 0; i < 40 && !(await name.evaluate((link) => link === document.activeElement)); i += 1) {
          await page.keyboard.press("Tab");
        }
        await page.keyboard.press("Enter");
        await page.getByRole("heading", { name: "from-the-form" }).waitFor();
        await page.locator(".confusion .hit").first().waitFor();
        await accessible(page, "a job in the dark");
        await page.getByRole("button", { name: "Fork…" }).click();
        await page.getByRole("dialog").waitFor();
        await accessible(page, "the fork dialog");
        await page.fill("#patch", '{"epochs": 20, "name": "forked"}');
        await page.getByRole("button", { name: "Start the changed job" }).click();
        await page.getByRole("heading", { name: "forked" }).waitFor();
        await page.locator("[data-status=succeeded]").first().waitFor();
      },
      { colorScheme: "dark" },
    ));

  it("compares jobs: their curves and where their specs differ", () =>
    story(async (page) => {
      await page.goto(`${server.url}/jobs`);
      await page.getByRole("checkbox", { name: "Compare from-the-form" }).check();
      await page.getByRole("checkbox", { name: "Compare forked" }).check();
      await page.getByRole("link", { name: "Compare 2 jobs" }).click();
      await page.getByRole("heading", { name: "Compare 2 jobs" }).waitFor();
      for (const line of ["line-0", "line-1"]) await drawn(page, line, 20);
      await page.getByRole("cell", { name: "200", exact: true }).waitFor();
      await page.getByRole("rowheader", { name: "/epochs" }).waitFor();
      await accessible(page, "a comparison");
    }));

  it("says what limits a run, and starts the change that helps", () =>
    story(async (page) => {
      // The file that an earlier story uploaded, with steps so small that nothing is learned.
      const spec = {
        dataset: "iris",
        target: "species",
        name: "too-slow",
        epochs: 20,
        optimizer: { type: "sgd", learning_rate: 0.0001 },
      };
      const made = await fetch(`${server.url}/v1/jobs?wait=20`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(spec),
      });
      const job = await made.json();
      assert.equal(job.status, "succeeded", JSON.stringify(job));
      await page.goto(`${server.url}/jobs/${job.id}`);
      await page.getByRole("heading", { name: "What limits it" }).waitFor();
      await page.getByRole("heading", { name: "steps too small" }).waitFor();
      await accessible(page, "a diagnosis");
      await page.getByRole("button", { name: "Try this change" }).first().click();
      await page.getByText(/fork of/).waitFor();
      await page.locator("[data-status=succeeded]").first().waitFor();
      // Why it was made, what it changed, and what became of the loss.
      await page.getByText("because of: steps too small").waitFor();
      const lineage = page.locator("section", { has: page.getByRole("heading", { name: "Lineage" }) });
      await lineage.getByText(/optimizer\.learning_rate 0\.0001 →/).waitFor();
      await lineage.getByText("better", { exact: true }).waitFor();
      await accessible(page, "a lineage");
    }));

  it("draws what goes on inside the layers and what the checks found, and opens the report", () =>
    story(async (page) => {
      await page.goto(`${server.url}/jobs`);
      await page.getByRole("link", { name: "from-the-form" }).click();
      const layers = page.locator("section", { has: page.getByRole("heading", { name: "Inside the layers" }) });
      await layers.getByRole("img", { name: "update ratio of each layer by epoch" }).waitFor();
      await layers.getByLabel("Statistic").selectOption("weight_norm");
      const drawing = layers.getByRole("img", { name: "weight norm of each layer by epoch" });
      await drawing.waitFor();
      await page.waitForFunction((image) => image.naturalWidth > 100, await drawing.elementHandle());
      const check = page.locator(".check", { hasText: "gradient" });
      await check.getByText("Picture").click();
      await check.getByRole("img", { name: "gradient check" }).waitFor();
      await accessible(page, "layers and checks");

      const opened = page.waitForEvent("popup");
      await page.getByRole("link", { name: "Report" }).click();
      const report = await opened;
      await report.getByRole("heading", { name: "from-the-form", level: 1 }).waitFor();
      await report.getByRole("heading", { name: "Evaluation" }).waitFor();
      assert.ok((await report.locator("img.picture").count()) > 5);
      await accessible(report, "the report");
      await report.emulateMedia({ colorScheme: "dark" });
      await accessible(report, "the report in the dark");
      if (process.env.E2E_SHOTS)
        await report.screenshot({ path: `${process.env.E2E_SHOTS}/report.png`, fullPage: true });
      await report.close();
    }));

  it("runs the whole strategy from a form, and says why each step is taken", () =>
    story(async (page) => {
      await page.goto(`${server.url}/autotrain?dataset=iris`);
      await page.getByText("No runs yet").waitFor();
      await page.locator("#target option").first().waitFor({ state: "attached" });
      assert.equal(await page.locator("#target").inputValue(), "species");
      await page.fill("#amount", "2.5");
      await page.getByText("Trainings are a whole number").waitFor();
      await accessible(page, "the form of autotrain with a fault");
      await page.fill("#amount", "3");
      await page.fill("#name", "the-strategy");
      await page.getByRole("button", { name: "Start", exact: true }).click();
      await page.getByRole("heading", { name: "the-strategy", level: 1 }).waitFor();
      await page.getByRole("heading", { name: "1. Look at the data" }).waitFor();
      await page.locator("[data-status=succeeded]").waitFor({ timeout: 120_000 });
      await page.getByRole("heading", { name: /Train the model/ }).waitFor();
      await page.getByText("Most bad models come from bad data").waitFor();
      const trials = page.getByRole("group", { name: "Trials of step 5" });
      assert.equal(await trials.getByRole("link").count(), 2, "a small network, and the linear one");
      assert.equal(await page.getByText("best", { exact: true }).count(), 1);
      await accessible(page, "a run of autotrain");
      await page.emulateMedia({ colorScheme: "dark" });
      await accessible(page, "a run of autotrain in the dark");
      await shot(page, "autotrain-dark");
      await page.emulateMedia({ colorScheme: "light" });
      await shot(page, "autotrain");
      await page.getByRole("link", { name: "The model" }).click();
      await page.getByRole("heading", { name: "the-strategy", level: 1 }).waitFor();
      await page.locator(".chart canvas").waitFor();
      await page.getByRole("link", { name: "Autotrain" }).click();
      await page.getByRole("link", { name: "the-strategy" }).waitFor();
      await accessible(page, "the list of runs");
      await shot(page, "autotrain-list");
      await page.emulateMedia({ colorScheme: "dark" });
      await accessible(page, "the list of runs in the dark");
    }));

  it("shows the folds of a cross-validation, and cancels a run of autotrain", () =>
    story(async (page) => {
      const made = await fetch(`${server.url}/v1/jobs?wait=60`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ dataset: "iris", target: "species", name: "folded", epochs: 20, split: { k_folds: 4 } }),
      });
      const leader = await made.json();
      assert.equal(leader.status, "succeeded", JSON.stringify(leader));
      await page.goto(`${server.url}/jobs/${leader.id}`);
      const folds = page.locator("section", { has: page.getByRole("heading", { name: "Folds" }) });
      await folds.getByText("4 of 4 succeeded").waitFor();
      await folds.getByRole("link", { name: "fold 4" }).waitFor();
      await page.locator(".confusion .hit").first().waitFor();
      await drawn(page, "line-validation", 20);
      await accessible(page, "a cross-validation");
      await shot(page, "folds");
      await page.emulateMedia({ colorScheme: "dark" });
      await accessible(page, "a cross-validation in the dark");
      await shot(page, "folds-dark");

      const begun = await fetch(`${server.url}/v1/autotrain`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ dataset: "iris", target: "species", name: "stopped", budget: { jobs: 500 } }),
      });
      await page.goto(`${server.url}/autotrain/${(await begun.json()).id}`);
      await page
        .getByText(/under way/)
        .first()
        .waitFor();
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.locator("[data-status=cancelled]").waitFor({ timeout: 60_000 });
      await page.getByRole("button", { name: "Delete…" }).click();
      await page.getByRole("button", { name: "Delete", exact: true }).click();
      await page.getByRole("heading", { name: "Autotrain", level: 1 }).waitFor();
    }));

  it("says what is wrong when a job does not exist", () =>
    story(async (page) => {
      await page.goto(`${server.url}/jobs/job_0198c0c0-0000-7000-8000-000000000000`);
      await page.getByRole("alert").waitFor();
      await accessible(page, "a job that is not there");
    }));

  it("asks for the key, keeps it for the tab, and asks again when it is refused", async () => {
    const guarded = await startServer({ TRAINYARD_API_KEY: "correct-horse-battery-staple-0123456789" });
    try {
      await story(async (page) => {
        await page.goto(`${guarded.url}/`);
        const dialog = page.getByRole("dialog");
        await dialog.waitFor();
        await accessible(page, "the question for the key");
        await page.fill("#key", "wrong");
        await page.keyboard.press("Enter");
        await page.getByText("The server refused this key").waitFor();
        await page.fill("#key", "correct-horse-battery-staple-0123456789");
        await page.keyboard.press("Enter");
        await page.getByRole("heading", { name: "No jobs yet" }).waitFor();
        assert.equal(await dialog.count(), 0);
        await page.reload();
        await page.getByRole("heading", { name: "No jobs yet" }).waitFor();
        const kept = await page.evaluate(() => [localStorage.length, document.cookie]);
        assert.deepEqual(kept, [0, ""], "the key is in the session's storage alone");
        await page.getByRole("button", { name: "Forget key" }).click();
        await dialog.waitFor();
      });
    } finally {
      await guarded.close();
    }
  });
});
