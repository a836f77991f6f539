// One dataset: what the server found in each column, what is odd, and its first rows.

import { useEffect, useState } from "preact/hooks";
import { useLocation, useRoute } from "preact-iso";
import { get, remove } from "../api/client";
import type { ColumnProfile, Dataset, Json, JsonObject } from "../api/types";
import { useLive, useNow } from "../live";
import { ago, bytes, count, number, percent, words } from "../logic/format";
import { Bars } from "../parts/Bars";
import { DeleteDialog } from "../parts/DeleteDialog";
import { Download } from "../parts/Download";
import { title } from "../parts/Header";
import { Opening, Problem } from "../parts/Problem";
import { Scroll } from "../parts/Scroll";

const ROWS = 10;
/** Columns shown at once; a table of thousands waits to be asked. */
const CARDS = 96;

export function DatasetPage() {
  const { params } = useRoute();
  return <OneDataset key={params.id} id={params.id ?? ""} />;
}

function OneDataset({ id }: { id: string }) {
  const { route } = useLocation();
  const [dataset, setDataset] = useState<Dataset | null>(null);
  const [rows, setRows] = useState<JsonObject[]>([]);
  const [shown, setShown] = useState(CARDS);
  const [asked, setAsked] = useState(false);
  const now = useNow();
  const path = `/v1/datasets/${encodeURIComponent(id)}`;
  const { error } = useLive(
    async (signal) => {
      setDataset(await get<Dataset>(path, signal));
      setRows((await get<{ data: JsonObject[] }>(`${path}/rows?offset=0&limit=${ROWS}`, signal)).data);
      return false;
    },
    [id],
  );
  useEffect(() => title(dataset?.name ?? id), [dataset?.name]);
  if (!dataset) return <Opening name={id} error={error} />;
  const name = dataset.name ?? dataset.id;
  const columns = dataset.columns ?? [];
  return (
    <>
      <div class="heading">
        <div class="grow">
          <h1>{name}</h1>
          <p class="small muted">
            <code>{dataset.id}</code> · {count(dataset.rows)} rows, {count(columns.length)} columns ·{" "}
            {bytes(dataset.bytes)} {dataset.format} · created{" "}
            <time dateTime={dataset.created_at} title={dataset.created_at}>
              {ago(dataset.created_at, now)}
            </time>{" "}
            · sha256 <code title={dataset.sha256}>{dataset.sha256.slice(0, 12)}…</code>
          </p>
        </div>
        <div class="actions">
          <a class="button" href={`/jobs?dataset=${encodeURIComponent(name)}`}>
            Its jobs
          </a>
          <Download path={`${path}/file`} name={name}>
            Original file
          </Download>
          <button type="button" onClick={() => setAsked(true)}>
            Delete…
          </button>
          <a class="button" href={`/autotrain?dataset=${encodeURIComponent(name)}`}>
            Autotrain
          </a>
          <a class="button primary" href={`/jobs/new?dataset=${encodeURIComponent(name)}`}>
            Train on it
          </a>
        </div>
      </div>
      <Problem error={error} />
      {dataset.warnings?.length ? (
        <section class="problem" aria-label="Warnings">
          <strong>What is odd</strong>
          <ul>
            {dataset.warnings.map((warning) => (
              <li key={`${warning.column} ${warning.code} ${warning.detail}`}>
                {warning.column ? <code>{warning.column}</code> : null} {words(warning.code)}: {warning.detail}
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      <section aria-labelledby="columns-title">
        <h2 id="columns-title">Columns</h2>
        <div class="cards">
          {columns.slice(0, shown).map((column) => (
            <Card key={column.name} column={column} rows={dataset.rows} />
          ))}
        </div>
        {columns.length > shown ? (
          <button type="button" onClick={() => setShown(columns.length)}>
            Show all {count(columns.length)} columns
          </button>
        ) : null}
      </section>
      {rows.length ? (
        <section aria-labelledby="rows-title">
          <h2 id="rows-title">First rows</h2>
          <Scroll label="First rows">
            <table class="list compact">
              <thead>
                <tr>
                  {columns.map((column) => (
                    <th key={column.name} scope="col" class={column.kind === "numeric" ? "num" : ""}>
                      {column.name}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {rows.map((row, index) => (
                  <tr key={index}>
                    {columns.map((column) => (
                      <td key={column.name} class={column.kind === "numeric" ? "num" : ""}>
                        {cell(row[column.name])}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </section>
      ) : null}
      {asked ? (
        <DeleteDialog
          name={name}
          onClose={() => setAsked(false)}
          onYes={() => remove(path).then(() => route("/datasets"))}
        >
          The data and their profile go. Finished jobs stay; the server refuses while unfinished ones use it.
        </DeleteDialog>
      ) : null}
    </>
  );
}

function cell(value: Json | undefined): string {
  if (value === null || value === undefined) return "·";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function Card({ column, rows }: { column: ColumnProfile; rows: number }) {
  return (
    <article class="card">
      <h3 title={column.name}>{column.name}</h3>
      <p class="small muted">
        {column.kind} · {column.distinct_exact === false ? "about " : ""}
        {count(column.distinct)} distinct
        {column.missing > 0 ? (
          <span class="warned">
            {" "}
            · {count(column.missing)} missing ({percent(rows ? column.missing / rows : 0)})
          </span>
        ) : null}
      </p>
      {column.kind === "constant" ? null : <Bars column={column} />}
      {column.earliest && column.latest ? (
        <p class="small muted">
          {column.earliest.slice(0, 19)} to {column.latest.slice(0, 19)}
        </p>
      ) : null}
      {typeof column.mean === "number" ? (
        <p class="small muted">
          mean {number(column.mean)} · std {number(column.std)}
        </p>
      ) : null}
    </article>
  );
}
