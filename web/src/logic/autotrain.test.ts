import { describe, expect, it } from "vitest";
import type { AutotrainRun, AutotrainStep, Trial } from "../api/types";
import { bestTrial, budget, meanLoss, standardError, start, trainings, tried } from "./autotrain";

function trial(job: string, losses: number[]): Trial {
  return { job, status: "succeeded", losses, train_loss: 0.1, accuracy: 0.9, epoch: 7, parameters: 10, seconds: 1 };
}

function step(number: number, trials: Trial[] | null, recipes: string[]): AutotrainStep {
  return {
    number,
    kind: "train",
    stage: "grow",
    title: "Grow",
    reason: "because",
    jobs: recipes.map((_, at) => `job_${number}${at}`),
    started_at: "",
    finished_at: null,
    conclusion: null,
    recipes,
    outcome: trials && { trials },
  };
}

describe("a run of the strategy", () => {
  const steps = [
    step(1, [trial("a", [0.4, 0.6]), trial("b", [])], ["one", "two"]),
    step(2, [trial("c", [0.3, 0.5])], ["three"]),
    step(3, null, ["four"]),
  ];
  const run = { steps } as unknown as AutotrainRun;

  it("has the best trial of all steps, and counts what was started", () => {
    expect(bestTrial(run)?.job).toBe("c");
    expect(trainings(run)).toBe(4);
    expect(bestTrial({ steps: [] } as unknown as AutotrainRun)).toBeNull();
  });

  it("tells a mean with its error, and none where a fold has no loss", () => {
    const one = trial("a", [0.4, 0.6]);
    expect(meanLoss(one)).toBeCloseTo(0.5);
    expect(standardError(one)).toBeCloseTo(0.1);
    expect(standardError(trial("a", [0.4]))).toBeNull();
    expect(meanLoss(trial("b", []))).toBeNull();
  });

  it("shows trials that are still under way", () => {
    expect(tried(steps[2] as AutotrainStep)).toEqual([{ recipe: "four", job: "job_30", trial: null }]);
  });
});

it("says what bounds a run", () => {
  expect(budget({ budget: { jobs: 24 } })).toBe("of 24");
  expect(budget({ budget: { seconds: 600 } })).toBe("600 s");
  expect(budget(undefined)).toBe("");
});

it("makes the least request of the form, and says what is wrong with it", () => {
  const form = { dataset: "iris", target: "species", name: "", by: "jobs" as const, amount: "" };
  expect(start(form)).toEqual({ dataset: "iris", target: "species" });
  expect(start({ ...form, name: " mine ", amount: "6" })).toEqual({
    dataset: "iris",
    target: "species",
    name: "mine",
    budget: { jobs: 6 },
  });
  expect(start({ ...form, by: "seconds", amount: "2.5" })).toMatchObject({ budget: { seconds: 2.5 } });
  expect(start({ ...form, amount: "2.5" })).toContain("whole number");
  expect(start({ ...form, amount: "many" })).toContain("above 0");
});
