// The datasets, and the two ways to get one: a file of the viewer's or a bundled sample.

import { useEffect, useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { get, post, request } from "../api/client";
import type { Dataset, Page } from "../api/types";
import { useLive, useNow } from "../live";
import { ago, bytes, count } from "../logic/format";
import { title } from "../parts/Header";
import { Problem } from "../parts/Problem";
import { Scroll } from "../parts/Scroll";

interface Sample {
  name: string;
  description: string;
  source: string;
  licence: string;
}

export function DatasetsPage() {
  const [page, setPage] = useState<Page<Dataset> | null>(null);
  const now = useNow();
  useEffect(() => title("Datasets"), []);
  const { error, poke } = useLive(async (signal) => {
    setPage(await get<Page<Dataset>>("/v1/datasets?limit=200", signal));
    return true;
  }, []);
  return (
    <>
      <div class="heading">
        <h1>Datasets</h1>
      </div>
      <Problem error={error} />
      <Upload onDone={poke} />
      <Samples known={page?.data ?? []} onDone={poke} />
      {page?.data.length ? (
        <Scroll label="Datasets">
          <table class="list">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col" class="num">
                  Rows
                </th>
                <th scope="col" class="num">
                  Columns
                </th>
                <th scope="col" class="num">
                  Size
                </th>
                <th scope="col">Created</th>
                <th scope="col">
                  <span class="hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {page.data.map((dataset) => (
                <tr key={dataset.id}>
                  <th scope="row">
                    <a href={`/datasets/${dataset.id}`}>{dataset.name ?? dataset.id}</a>
                  </th>
                  <td class="num">{count(dataset.rows)}</td>
                  <td class="num">{count(dataset.column_count)}</td>
                  <td class="num">{bytes(dataset.bytes)}</td>
                  <td>
                    <time dateTime={dataset.created_at} title={dataset.created_at}>
                      {ago(dataset.created_at, now)}
                    </time>
                  </td>
                  <td>
                    <a href={`/jobs/new?dataset=${encodeURIComponent(dataset.name ?? dataset.id)}`}>Train on it</a>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      ) : null}
    </>
  );
}

/** A name the server takes, out of a file's. */
export function nameOf(file: string): string {
  const stem = file.replace(/(\.(csv|tsv|txt|ndjson|jsonl|json|parquet|arrow|gz|zst))+$/i, "");
  return stem.replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, 64) || "data";
}

function Upload({ onDone }: { onDone: () => void }) {
  const { route } = useLocation();
  const [file, setFile] = useState<File | null>(null);
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<Error | null>(null);
  const [over, setOver] = useState(false);
  const choose = (chosen: File | null | undefined) => {
    if (!chosen) return;
    setFile(chosen);
    setName(nameOf(chosen.name));
    setFailed(null);
  };
  const send = async () => {
    if (!file) return;
    setBusy(true);
    setFailed(null);
    try {
      const response = await request(`/v1/datasets?name=${encodeURIComponent(name)}`, {
        method: "POST",
        body: file,
        headers: { "Content-Type": file.type || "application/octet-stream" },
      });
      const made = (await response.json()) as Dataset;
      onDone();
      route(`/datasets/${made.id}`);
    } catch (error) {
      setFailed(error as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      class={`panel upload${over ? " over" : ""}`}
      aria-label="Upload a file"
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        choose(event.dataTransfer?.files[0]);
      }}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label for="file">Upload a table (CSV), or drop it here</label>
      <div class="row">
        <input id="file" type="file" onChange={(event) => choose(event.currentTarget.files?.[0])} />
        <label class="inline">
          Name{" "}
          <input
            value={name}
            required
            pattern="[A-Za-z0-9._\-]{1,64}"
            title="Letters, digits, dot, underscore and hyphen, up to 64"
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" disabled={!file || busy}>
          {busy ? "Uploading…" : "Upload"}
        </button>
      </div>
      <Problem error={failed} title="The file was not taken" />
    </form>
  );
}

function Samples({ known, onDone }: { known: Dataset[]; onDone: () => void }) {
  const { route } = useLocation();
  const [samples, setSamples] = useState<Sample[]>([]);
  const [failed, setFailed] = useState<Error | null>(null);
  useLive(async (signal) => {
    setSamples((await get<Page<Sample>>("/v1/samples", signal)).data);
    return false;
  }, []);
  const absent = samples.filter((sample) => !known.some((dataset) => dataset.name === sample.name));
  if (absent.length === 0) return null;
  const install = async (sample: Sample) => {
    setFailed(null);
    try {
      const made = await post<Dataset>(`/v1/samples/${sample.name}`);
      onDone();
      route(`/datasets/${made.id}`);
    } catch (error) {
      setFailed(error as Error);
    }
  };
  return (
    <section class="samples" aria-label="Bundled samples">
      <h2>Or install a sample</h2>
      <ul>
        {absent.map((sample) => (
          <li key={sample.name}>
            <button type="button" onClick={() => install(sample)}>
              {sample.name}
            </button>
            <div>
              {sample.description}
              <div class="small muted">
                {sample.source} · {sample.licence}
              </div>
            </div>
          </li>
        ))}
      </ul>
      <Problem error={failed} />
    </section>
  );
}
