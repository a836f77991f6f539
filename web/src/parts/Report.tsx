// The way to a report, one page for people.

import { key } from "../api/client";
import { Download } from "./Download";

/** A link opens the page; with a key, which a link cannot send, the page is saved instead. */
export function Report({ path, name }: { path: string; name: string }) {
  if (key.value) {
    return (
      <Download path={path} name={name}>
        Save the report
      </Download>
    );
  }
  return (
    <a href={path} target="_blank" rel="noreferrer">
      Report
    </a>
  );
}
