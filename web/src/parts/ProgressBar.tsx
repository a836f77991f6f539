// How far a job is: a bar with its numbers.

import type { Job } from "../api/types";
import { count, duration, jobName } from "../logic/format";

export function ProgressBar({ job }: { job: Job }) {
  const { progress } = job;
  if (!progress) {
    return <span class="small muted">{job.queue_position ? `position ${job.queue_position} in the queue` : "–"}</span>;
  }
  const share = Math.min(Math.max(progress.fraction, 0), 1);
  const eta =
    job.status === "running" && progress.eta_seconds !== null ? ` · ${duration(progress.eta_seconds)} left` : "";
  return (
    <div class="progress">
      <progress max={1} value={share} aria-label={`Progress of ${jobName(job)}`} />
      <div class="small muted">
        epoch {count(progress.epoch)} / {count(progress.epochs)}
        {eta}
      </div>
    </div>
  );
}
