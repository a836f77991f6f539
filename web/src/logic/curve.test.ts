import { describe, expect, it } from "vitest";
import type { Metrics } from "../api/types";
import { Curve, groups } from "./curve";

function answer(columns: Metrics["columns"], more: Partial<Metrics> = {}): Metrics {
  return { by: "epoch", columns, next_cursor: "c", complete: false, ...more };
}

describe("a curve that arrives in pieces", () => {
  it("joins pieces by their place and keeps the cursor", () => {
    const curve = new Curve("epoch");
    curve.append(answer({ epoch: [0, 1], loss: [1, 0.8] }, { next_cursor: "a" }));
    curve.append(answer({ epoch: [2], loss: [0.6] }, { next_cursor: "b" }));
    expect(curve.x).toEqual([0, 1, 2]);
    expect(curve.columns.get("loss")).toEqual([1, 0.8, 0.6]);
    expect(curve.cursor).toBe("b");
  });

  it("replaces a point that was computed again after a crash", () => {
    const curve = new Curve("epoch");
    curve.append(answer({ epoch: [0, 1, 2], loss: [1, 0.8, 0.7] }));
    curve.append(answer({ epoch: [1, 2, 3], loss: [0.81, 0.71, 0.6] }));
    expect(curve.x).toEqual([0, 1, 2, 3]);
    expect(curve.columns.get("loss")).toEqual([1, 0.81, 0.71, 0.6]);
  });

  it("puts a late point where it belongs", () => {
    const curve = new Curve("epoch");
    curve.append(answer({ epoch: [0, 3], loss: [1, 0.4] }));
    curve.append(answer({ epoch: [2], loss: [0.5], val_loss: [0.9] }));
    expect(curve.x).toEqual([0, 2, 3]);
    expect(curve.columns.get("loss")).toEqual([1, 0.5, 0.4]);
    expect(curve.columns.get("val_loss")).toEqual([undefined, 0.9, undefined]);
  });

  it("does not move for an empty answer, so that nothing is drawn again", () => {
    const curve = new Curve("epoch");
    curve.append(answer({ epoch: [0], loss: [1] }));
    const { version } = curve;
    curve.append(answer({ epoch: [], loss: [] }, { next_cursor: "z", complete: true }));
    expect(curve.version).toBe(version);
    expect(curve.complete).toBe(true);
    expect(curve.cursor).toBe("z");
  });

  it("is not complete while more pieces wait", () => {
    const curve = new Curve("epoch");
    curve.append(answer({ epoch: [0], loss: [1] }, { complete: true, has_more: true }));
    expect(curve.complete).toBe(false);
  });

  it("breaks the line where a value was not finite and goes on where none was recorded", () => {
    const curve = new Curve("epoch");
    curve.append(
      answer(
        { epoch: [0, 1, 2], loss: [1, null, 0.5], train_eval_loss: [1, null, 0.4] },
        { nonfinite: [{ name: "loss", index: 1, value: "nan" }] },
      ),
    );
    expect(curve.columns.get("loss")).toEqual([1, null, 0.5]);
    expect(curve.columns.get("train_eval_loss")).toEqual([1, undefined, 0.4]);
  });

  it("keeps the columns that are no curves out", () => {
    const curve = new Curve("step");
    curve.append(answer({ time: [1], step: [5], epoch: [1], train_seconds: [0.1], loss: [1] }, { by: "step" }));
    expect([...curve.columns.keys()]).toEqual(["loss"]);
    expect(curve.x).toEqual([5]);
  });

  it("takes ten thousand points at a time", () => {
    const curve = new Curve("epoch");
    for (let from = 0; from < 50_000; from += 10_000) {
      const epoch = Array.from({ length: 10_000 }, (_, i) => from + i);
      curve.append(answer({ epoch, loss: epoch.map((e) => 1 / (e + 1)) }));
    }
    expect(curve.x.length).toBe(50_000);
  });
});

describe("groups of columns", () => {
  it("put the parts of the data on one axis, loss first and training first", () => {
    expect(groups(["val_accuracy", "learning_rate", "accuracy", "test_loss", "val_loss", "loss"])).toEqual([
      { name: "loss", columns: ["loss", "val_loss", "test_loss"] },
      { name: "accuracy", columns: ["accuracy", "val_accuracy"] },
      { name: "learning_rate", columns: ["learning_rate"] },
    ]);
  });

  it("keep the targets of a job apart", () => {
    const found = groups(["loss", "val_loss", "loss/pos", "val_loss/pos", "loss/ner"]);
    expect(found.map((group) => group.name)).toEqual(["loss", "loss/ner", "loss/pos"]);
    expect(found[2]?.columns).toEqual(["loss/pos", "val_loss/pos"]);
  });
});
