import { expect, it } from "vitest";
import { change } from "./lineage";

it("says what a fork changed", () => {
  const rate = change({ pointer: "/optimizer/learning_rate", from: 0.1, to: 0.01 });
  expect(rate).toBe("optimizer.learning_rate 0.1 → 0.01");
  expect(change({ pointer: "/activation", from: "tanh", to: null })).toBe("activation tanh → null");
});
