// The checkpoints of a job and their weights to take away.

import { useState } from "preact/hooks";
import { get } from "../../api/client";
import type { Page } from "../../api/types";
import { useLive } from "../../live";
import { bytes, clock, count } from "../../logic/format";
import { Download } from "../../parts/Download";
import { Problem } from "../../parts/Problem";
import { Scroll } from "../../parts/Scroll";

interface Checkpoint {
  id: string;
  epoch: number;
  step: number;
  created_at: string;
  bytes: number;
  best: boolean;
  last: boolean;
}

interface Props {
  id: string;
  name: string;
  /** Moves with the job; the list is asked for again when it does. */
  epoch: number;
  finished: boolean;
}

export function Checkpoints({ id, name, epoch, finished }: Props) {
  const [list, setList] = useState<Checkpoint[] | null>(null);
  const { error } = useLive(
    async (signal) => {
      setList((await get<Page<Checkpoint>>(`/v1/jobs/${id}/checkpoints`, signal)).data);
      return !finished;
    },
    [id, finished, finished ? epoch : 0],
  );
  return (
    <section class="panel" aria-labelledby="checkpoints-title">
      <div class="panel-head">
        <h2 id="checkpoints-title">Checkpoints</h2>
      </div>
      <Problem error={error} />
      {list?.length ? (
        <Scroll label="Checkpoints">
          <table class="list compact">
            <thead>
              <tr>
                <th scope="col" class="num">
                  Epoch
                </th>
                <th scope="col" class="num">
                  Step
                </th>
                <th scope="col">Role</th>
                <th scope="col">Time</th>
                <th scope="col" class="num">
                  Size
                </th>
                <th scope="col">Weights</th>
              </tr>
            </thead>
            <tbody>
              {list.map((one) => (
                <tr key={one.id}>
                  <th scope="row" class="num">
                    {count(one.epoch)}
                  </th>
                  <td class="num">{count(one.step)}</td>
                  <td>{role(one)}</td>
                  <td>{clock(one.created_at).slice(0, 8)}</td>
                  <td class="num">{bytes(one.bytes)}</td>
                  <td>
                    <Download
                      path={`/v1/jobs/${id}/checkpoints/${one.id}/weights`}
                      name={`${name}-step-${one.step}.safetensors`}
                    >
                      safetensors<span class="hidden"> of step {one.step}</span>
                    </Download>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      ) : (
        <p class="muted small">None yet.</p>
      )}
    </section>
  );
}

function role(one: Checkpoint): string {
  return [one.best && "best", one.last && "last"].filter(Boolean).join(", ") || "–";
}
