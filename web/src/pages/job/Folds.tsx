// The folds of a cross-validation: what became of each, and the mean and spread of every number over them.

import type { FoldsSummary } from "../../api/types";
import { count, number, words } from "../../logic/format";
import { Scroll } from "../../parts/Scroll";

export function Folds({ folds }: { folds: FoldsSummary }) {
  const metrics = Object.entries(folds.metrics ?? {}).filter(([name]) => /^val_(loss|accuracy)/.test(name));
  return (
    <section class="panel" aria-labelledby="folds-title">
      <div class="panel-head">
        <h2 id="folds-title">Folds</h2>
        <span class="muted">
          {count(folds.succeeded)} of {count(folds.count)} succeeded
        </span>
      </div>
      <Scroll label="Folds">
        <table class="list compact">
          <thead>
            <tr>
              <th scope="col">Fold</th>
              <th scope="col">Status</th>
              <th scope="col" class="num">
                Best epoch
              </th>
              {metrics.map(([name]) => (
                <th key={name} scope="col" class="num">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {folds.jobs.map((fold) => (
              <tr key={fold.job}>
                <td>
                  <a href={`/jobs/${fold.job}`}>fold {fold.fold}</a>
                </td>
                <td>{words(fold.status)}</td>
                <td class="num">{count(fold.epoch)}</td>
                {metrics.map(([name]) => (
                  <td key={name} class="num">
                    {number(fold.metrics?.[name])}
                  </td>
                ))}
              </tr>
            ))}
            {metrics.length ? (
              <tr>
                <th scope="row">Mean ± sd</th>
                <td />
                <td />
                {metrics.map(([name, { mean, sd }]) => (
                  <td key={name} class="num">
                    {number(mean)} ± {number(sd)}
                  </td>
                ))}
              </tr>
            ) : null}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}
