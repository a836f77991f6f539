// What can be done with a job in its present state.

import { useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { post, remove } from "../../api/client";
import type { Job, JsonObject } from "../../api/types";
import { jobName } from "../../logic/format";
import { parseObject } from "../../logic/spec";
import { DeleteDialog } from "../../parts/DeleteDialog";
import { Dialog } from "../../parts/Dialog";
import { Problem } from "../../parts/Problem";
import { Report } from "../../parts/Report";
import { FINISHED } from "../../parts/Status";

export function JobActions({ job, onChange }: { job: Job; onChange: () => void }) {
  const { route } = useLocation();
  const [asked, setAsked] = useState<"fork" | "delete" | null>(null);
  const [failed, setFailed] = useState<Error | null>(null);
  const path = `/v1/jobs/${job.id}`;
  const tell = async (verb: string) => {
    setFailed(null);
    try {
      await post(`${path}/${verb}`);
    } catch (error) {
      setFailed(error as Error);
    }
    onChange();
  };
  const finished = FINISHED.includes(job.status);
  return (
    <div class="actions">
      {!finished && job.status !== "cancelling" ? (
        <button type="button" onClick={() => tell("cancel")}>
          Cancel
        </button>
      ) : null}
      {job.status === "running" ? (
        <button type="button" onClick={() => tell("pause")}>
          Pause
        </button>
      ) : null}
      {job.status === "paused" ? (
        <button type="button" onClick={() => tell("resume")}>
          Resume
        </button>
      ) : null}
      <Report path={`${path}/report`} name={`${jobName(job)}.html`} />
      <button type="button" onClick={() => setAsked("fork")}>
        Fork…
      </button>
      {finished ? (
        <button type="button" onClick={() => setAsked("delete")}>
          Delete…
        </button>
      ) : null}
      <Problem error={failed} />
      {asked === "fork" ? <Fork job={job} onClose={() => setAsked(null)} /> : null}
      {asked === "delete" ? (
        <DeleteDialog
          name={jobName(job)}
          onClose={() => setAsked(null)}
          onYes={() => remove(path).then(() => route("/jobs"))}
        >
          Its metrics, events and checkpoints go with it. This cannot be undone.
        </DeleteDialog>
      ) : null}
    </div>
  );
}

function Fork({ job, onClose }: { job: Job; onClose: () => void }) {
  const { route } = useLocation();
  const epochs = typeof job.spec?.epochs === "number" ? job.spec.epochs : 100;
  const [text, setText] = useState(`{\n  "epochs": ${epochs}\n}`);
  const [failed, setFailed] = useState<Error | null>(null);
  const start = async () => {
    const patch: JsonObject | string = parseObject(text);
    if (typeof patch === "string") return setFailed(new Error(patch));
    try {
      const made = await post<Job>(`/v1/jobs/${job.id}/fork`, patch);
      onClose();
      route(`/jobs/${made.id}`);
    } catch (error) {
      setFailed(error as Error);
    }
  };
  return (
    <Dialog title={`Fork ${jobName(job)}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          start();
        }}
      >
        <label for="patch">What changes (a JSON merge patch of the request; null removes a field)</label>
        <textarea
          id="patch"
          rows={8}
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <Problem error={failed} title="The fork was not started" />
        <div class="actions">
          <button type="button" onClick={onClose}>
            Close
          </button>
          <button type="submit" class="primary">
            Start the changed job
          </button>
        </div>
      </form>
    </Dialog>
  );
}
