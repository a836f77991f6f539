// The bar above every page: where one is, how often the page asks, the scheme, the key.

import { useLocation } from "preact-iso";
import { keepKey, key } from "../api/client";
import { PACES, pace, setPace } from "../live";
import { scheme, toggle } from "../theme";

const PLACES = [
  { href: "/jobs", name: "Jobs" },
  { href: "/autotrain", name: "Autotrain" },
  { href: "/datasets", name: "Datasets" },
];

export function Header() {
  const { path } = useLocation();
  const here = (href: string) => path.startsWith(href) || (href === "/jobs" && path === "/");
  return (
    <header class="bar">
      <a class="brand" href="/">
        <img src="/favicon.svg" alt="" width={22} height={22} /> Trainyard
      </a>
      <nav aria-label="Pages">
        {PLACES.map(({ href, name }) => (
          <a key={href} href={href} aria-current={here(href) && path !== "/jobs/new" ? "page" : undefined}>
            {name}
          </a>
        ))}
        <a href="/docs">API</a>
      </nav>
      <span class="spring" />
      <label class="pace">
        <span class="muted">Refresh</span>
        <select value={String(pace.value)} onChange={(event) => setPace(Number(event.currentTarget.value))}>
          {PACES.map((ms) => (
            <option key={ms} value={String(ms)}>
              {ms === 0 ? "off" : `${ms / 1000} s`}
            </option>
          ))}
        </select>
      </label>
      <button type="button" class="quiet" onClick={toggle}>
        {scheme.value === "dark" ? "Light" : "Dark"}
      </button>
      {key.value ? (
        <button type="button" class="quiet" onClick={() => keepKey("")}>
          Forget key
        </button>
      ) : null}
      <a class="button primary" href="/jobs/new" aria-current={path === "/jobs/new" ? "page" : undefined}>
        New job
      </a>
    </header>
  );
}

/** Names the tab. */
export function title(name: string): void {
  document.title = name ? `${name} · Trainyard` : "Trainyard";
}
