// A button that fetches a file with the key; a plain link could not send it.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { download, downloadTable } from "../api/client";

interface Props {
  path: string;
  name: string;
  /** The file is a CSV that the server gives page by page. */
  pages?: boolean;
  children: ComponentChildren;
}

export function Download({ path, name, pages = false, children }: Props) {
  const [failed, setFailed] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const start = async () => {
    setBusy(true);
    setFailed(null);
    try {
      await (pages ? downloadTable : download)(path, name);
    } catch (error) {
      setFailed((error as Error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button type="button" class="link" onClick={start} disabled={busy}>
        {children}
      </button>
      {failed ? (
        <span class="fault" role="alert">
          {failed}
        </span>
      ) : null}
    </>
  );
}
