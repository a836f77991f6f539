// An address of the dashboard that leads nowhere.

import { useEffect } from "preact/hooks";
import { title } from "../parts/Header";

export function NotFoundPage() {
  useEffect(() => title("Not found"), []);
  return (
    <section class="empty">
      <h1>There is no such page</h1>
      <p>
        Go to the <a href="/jobs">jobs</a> or the <a href="/datasets">datasets</a>.
      </p>
    </section>
  );
}
