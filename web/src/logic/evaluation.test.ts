import { expect, it } from "vitest";
import { tasks } from "./evaluation";

it("shows the numbers of each target, what matters most first, and the confusion matrix where there is one", () => {
  const answer = {
    rows: 30,
    targets: {
      species: {
        rows: 30,
        loss: 0.1,
        accuracy: 0.97,
        confusion_matrix: {
          classes: ["0", "1"],
          matrix: [
            [9, 1],
            [0, 20],
          ],
        },
      },
      price: { rows: 28, loss: 2, mse: 4, mae: 1.5, r2: null, rmse: 2 },
    },
  };
  expect(tasks(answer)).toEqual([
    {
      name: "species",
      numbers: [
        ["accuracy", 0.97],
        ["loss", 0.1],
      ],
      confusion: {
        classes: ["0", "1"],
        matrix: [
          [9, 1],
          [0, 20],
        ],
      },
    },
    {
      name: "price",
      numbers: [
        ["loss", 2],
        ["mae", 1.5],
        ["rmse", 2],
        ["mse", 4],
      ],
      confusion: null,
    },
  ]);
  expect(tasks({})).toEqual([]);
});
