// What went on inside the layers: one statistic of every layer over the epochs, as the server draws it.

import { useState } from "preact/hooks";
import { ApiError, get } from "../../api/client";
import { useLive } from "../../live";
import { words } from "../../logic/format";
import { Picture } from "../../parts/Picture";
import { Problem } from "../../parts/Problem";

interface Looks {
  epochs: number[];
  layers: ({ name: string } & Record<string, number | string | null>)[];
}

const STATISTICS = [
  "update_ratio",
  "saturated_share",
  "dead_share",
  "zero_share",
  "activation_mean",
  "activation_std",
  "pre_activation_std",
  "gradient_rms",
  "gradient_norm",
  "weight_norm",
];

export function Layers({ id, finished }: { id: string; finished: boolean }) {
  const [looks, setLooks] = useState<Looks | null>(null);
  const [statistic, setStatistic] = useState("update_ratio");
  const { error } = useLive(
    async (signal) => {
      try {
        setLooks(await get<Looks>(`/v1/jobs/${id}/layers`, signal));
      } catch (caught) {
        // Nothing was looked at yet, or nothing ever is.
        if (!(caught instanceof ApiError) || caught.status !== 404) throw caught;
      }
      return !finished;
    },
    [id, finished],
  );
  if (!looks) return error ? <Problem error={error} /> : null;
  const there = STATISTICS.filter((name) => looks.layers.some((layer) => typeof layer[name] === "number"));
  return (
    <section class="panel" aria-labelledby="layers-title">
      <div class="panel-head">
        <h2 id="layers-title">Inside the layers</h2>
        <span class="spring" />
        <label class="small">
          Statistic{" "}
          <select value={statistic} onChange={(event) => setStatistic(event.currentTarget.value)}>
            {there.map((name) => (
              <option key={name} value={name}>
                {words(name)}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Problem error={error} />
      <Picture
        path={`/v1/jobs/${id}/layers.svg?statistic=${statistic}`}
        label={`${words(statistic)} of each layer by epoch`}
        grows={!finished}
      />
    </section>
  );
}
