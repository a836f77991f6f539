// Light or dark: the system's choice unless the viewer made one.

import { effect, signal } from "@preact/signals";

const STORED = "trainyard.theme";
type Choice = "auto" | "light" | "dark";

const dark = matchMedia("(prefers-color-scheme: dark)");
const system = signal(dark.matches);
dark.addEventListener("change", (event) => {
  system.value = event.matches;
});

export const choice = signal<Choice>(read());
/** What is shown now; whoever draws on a canvas depends on it. */
export const scheme = signal<"light" | "dark">("light");

effect(() => {
  scheme.value = choice.value === "auto" ? (system.value ? "dark" : "light") : choice.value;
  document.documentElement.dataset.theme = choice.value;
});

function read(): Choice {
  try {
    const stored = localStorage.getItem(STORED);
    return stored === "light" || stored === "dark" ? stored : "auto";
  } catch {
    return "auto";
  }
}

export function toggle(): void {
  choice.value = scheme.value === "dark" ? "light" : "dark";
  try {
    localStorage.setItem(STORED, choice.value);
  } catch {
    // storage may be forbidden; the choice then lives as long as the page
  }
}
