// The fields with which a job or an autotrain run begins: a dataset, and the column of it that is to be predicted.

import type { Dataset } from "../api/types";
import { count } from "../logic/format";

interface Props {
  datasets: Dataset[] | null;
  /** Name or id of the dataset that is chosen. */
  dataset: string;
  /** The dataset itself, as soon as it is there. */
  chosen: Dataset | null;
  target: string;
  onChange: (part: { dataset?: string; target?: string }) => void;
}

export function DataFields({ datasets, dataset, chosen, target, onChange }: Props) {
  const listed = datasets?.some((known) => known.name === dataset || known.id === dataset);
  return (
    <>
      <div class="field">
        <label for="dataset">Dataset</label>
        <select
          id="dataset"
          value={dataset}
          onChange={(event) => onChange({ dataset: event.currentTarget.value, target: "" })}
        >
          {datasets && !listed && dataset ? <option value={dataset}>{dataset}</option> : null}
          {datasets?.map((known) => (
            <option key={known.id} value={known.name ?? known.id}>
              {known.name ?? known.id} ({count(known.rows)} rows)
            </option>
          ))}
        </select>
      </div>
      <div class="field">
        <label for="target">Target, the column to predict</label>
        <select id="target" value={target} onChange={(event) => onChange({ target: event.currentTarget.value })}>
          {(chosen?.columns ?? []).map((column) => (
            <option key={column.name} value={column.name}>
              {column.name} ({column.kind}, {count(column.distinct)} distinct)
            </option>
          ))}
        </select>
      </div>
    </>
  );
}
