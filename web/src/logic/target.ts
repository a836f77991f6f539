// Which column a dataset is most likely meant to predict.

import type { Dataset } from "../api/types";

export function guess(dataset: Dataset): string {
  const columns = dataset.columns ?? [];
  const usable = columns.filter((column) => !["constant", "identifier", "text", "datetime"].includes(column.kind));
  const last = usable.at(-1) ?? columns.at(-1);
  return (usable.find((column) => /^(target|label|class|y)$/i.test(column.name)) ?? last)?.name ?? "";
}
