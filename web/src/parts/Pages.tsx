// The way through a list that the server gives a page at a time, newest first.

import type { Page } from "../api/types";

interface Props {
  page: Page<unknown> | null;
  /** The cursor that this page begins behind; empty on the first one. */
  after: string;
  /** Goes to the page behind a cursor, or to the first one. */
  onGo: (after?: string) => void;
}

export function Pages({ page, after, onGo }: Props) {
  if (!page || !(page.has_more || after)) return null;
  return (
    <nav class="pages" aria-label="Pages of the list">
      <button type="button" disabled={!after} onClick={() => onGo()}>
        Newest
      </button>
      <button type="button" disabled={!page.has_more || !page.next_cursor} onClick={() => onGo(page.next_cursor ?? "")}>
        Older
      </button>
    </nav>
  );
}
