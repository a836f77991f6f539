// A picture that the server draws, fetched with the key, which a plain address could not carry. The last one stays while the next is
// fetched.

import { useEffect, useState } from "preact/hooks";
import { request } from "../api/client";
import { useLive } from "../live";
import { Problem } from "./Problem";

interface Props {
  path: string;
  /** What it shows, for those who do not see it. */
  label: string;
  /** Whether it changes: then it is fetched again at the viewer's pace. */
  grows?: boolean;
}

export function Picture({ path, label, grows = false }: Props) {
  const [shown, setShown] = useState<{ url: string; tag: string | null } | null>(null);
  const { error } = useLive(
    async (signal) => {
      const headers = new Headers({ Accept: "image/svg+xml" });
      if (shown?.tag) headers.set("If-None-Match", shown.tag);
      const response = await request(path, { headers, signal });
      if (response.status !== 304) {
        setShown({ url: URL.createObjectURL(await response.blob()), tag: response.headers.get("ETag") });
      }
      return grows;
    },
    [path, grows],
  );
  // The bytes are let go of when another picture stands in their place.
  useEffect(() => (shown ? () => URL.revokeObjectURL(shown.url) : undefined), [shown]);
  return (
    <>
      <Problem error={error} />
      {shown ? <img class="picture" src={shown.url} alt={label} /> : null}
    </>
  );
}
