// Asks the finished model about one row: a row of the dataset to begin with, any values of the viewer's after that.

import { useState } from "preact/hooks";
import { get, post } from "../../api/client";
import type { Json, JsonObject } from "../../api/types";
import { useLive } from "../../live";
import { number, percent } from "../../logic/format";
import { parseObject } from "../../logic/spec";
import { Problem } from "../../parts/Problem";

interface Props {
  id: string;
  dataset: string;
  /** Columns the model predicts; they are no inputs. */
  targets: string[];
}

/** Classes shown for a prediction, the most probable first. */
const CLASSES = 5;

export function Predict({ id, dataset, targets }: Props) {
  const [row, setRow] = useState(0);
  const [text, setText] = useState("");
  const [truth, setTruth] = useState<JsonObject>({});
  const [answer, setAnswer] = useState<JsonObject | null>(null);
  const [failed, setFailed] = useState<Error | null>(null);
  const [open, setOpen] = useState(false);

  const ask = async (inputs: JsonObject) => {
    try {
      const given = await post<{ predictions: JsonObject[] }>(`/v1/jobs/${id}/predictions`, { rows: [inputs] });
      setAnswer(given.predictions[0] ?? null);
      setFailed(null);
    } catch (error) {
      setAnswer(null);
      setFailed(error as Error);
    }
  };
  const { error } = useLive(
    async (signal) => {
      if (!open) return false;
      const path = `/v1/datasets/${encodeURIComponent(dataset)}/rows?offset=${row}&limit=1`;
      const [found] = (await get<{ data: JsonObject[] }>(path, signal)).data;
      if (!found) return false;
      const inputs = Object.fromEntries(Object.entries(found).filter(([name]) => !targets.includes(name)));
      setTruth(Object.fromEntries(targets.map((name) => [name, found[name] ?? null])));
      setText(JSON.stringify(inputs, null, 1));
      await ask(inputs);
      return false;
    },
    [open, dataset, row],
  );
  const submit = () => {
    const inputs = parseObject(text);
    if (typeof inputs === "string") return setFailed(new Error(inputs));
    setTruth({});
    ask(inputs);
  };

  return (
    <details class="panel" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Predict</summary>
      <div class="columns even predict">
        <form
          class="fields"
          aria-label="Predict a row"
          onSubmit={(event) => {
            event.preventDefault();
            submit();
          }}
        >
          <label class="inline">
            Row of the dataset
            <input
              type="number"
              min={0}
              value={row}
              onInput={(event) => setRow(Math.max(0, Math.floor(event.currentTarget.valueAsNumber || 0)))}
            />
          </label>
          <div class="field">
            <label for="inputs">Inputs</label>
            <textarea
              id="inputs"
              rows={8}
              spellcheck={false}
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          </div>
          <div class="actions">
            <button type="submit">Predict</button>
          </div>
        </form>
        <div aria-live="polite">
          <Problem error={error ?? failed} title="No prediction" />
          {answer
            ? Object.entries(answer)
                .filter(([name]) => name !== "row")
                .map(([name, value]) => <Answer key={name} name={name} value={value} truth={truth[name]} />)
            : null}
        </div>
      </div>
    </details>
  );
}

function Answer({ name, value, truth }: { name: string; value: Json; truth: Json | undefined }) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const shares = value.probabilities;
  const classes =
    typeof shares === "object" && shares !== null && !Array.isArray(shares)
      ? Object.entries(shares)
          .map(([label, share]): [string, number] => [label, Number(share)])
          .sort(([, a], [, b]) => b - a)
      : [];
  const said = value.label ?? value.value;
  return (
    <div class="task">
      <h3>{name}</h3>
      <p>
        <b>{typeof said === "number" ? number(said) : String(said ?? "–")}</b>
        {truth !== undefined && truth !== null ? <span class="muted"> · the data say {String(truth)}</span> : null}
      </p>
      <ul class="top">
        {classes.slice(0, CLASSES).map(([label, share]) => (
          <li key={label}>
            <span class="top-name">{label}</span>
            <span class="top-bar" style={{ "--share": share }} aria-hidden="true" />
            <span class="num">{percent(share)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
