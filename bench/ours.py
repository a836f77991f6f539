"""Trains a workload through the API of the release server and says what its training cost.

The cost of E epochs is that of a job of 1 + E epochs less that of a job of 1 epoch, so that loading, encoding and the first look at
the data drop out, and everything that an epoch brings with it in the server's own path stays in: evaluation, metrics of each step and
epoch on their way into the database, checkpoints.

`process_s` is the CPU time of the whole process. Of W1 and W2 the job's own `train_seconds`, the smallest of many, counts where it is
less (neither can be less than what training took): the commits of such a job take as long as its training, and are looked at in figures.py.
"""

import argparse
import numpy as np

import workloads
from server import HERE, Server

DATA = HERE / "data"
# Short jobs are repeated until they make a measurable sum.
REPEATS = {"W1": 40, "W2": 10, "W3": 1, "W4": 1, "W5": 1, "W6": 1}
# Of long ones the difference is that of so many times the epochs, since reading and encoding the table costs as much as an epoch and varies.
TIMES = {"W3": 10, "W4": 3, "W5": 3, "W6": 4}


def csv(name):
    """The workload as CSV: features `x0…` (or `text`) and `y`."""
    x, y = workloads.load(name)
    labels = y.astype(np.int64)
    if "tokens" in workloads.WORKLOADS[name]:
        lines = (" ".join(f"w{t}" for t in row) + f",{label}\n" for row, label in zip(x.tolist(), labels.tolist()))
        return ("text,y\n" + "".join(lines)).encode()
    head = ",".join(f"x{i}" for i in range(x.shape[1])) + ",y\n"
    if name in ("W1", "W2"):
        return (head + "".join(",".join(map(repr, row)) + f",{label}\n" for row, label in zip(x.tolist(), labels.tolist()))).encode()
    # Every cell has six characters and a comma, taken from a table: writing numbers one by one would take minutes.
    table = np.array([f"{i / 1000:.4f}," if i >= 0 else f"{i / 1000:.3f}," for i in range(-9999, 10000)], dtype="S7")
    out = bytearray(head.encode())
    for start in range(0, len(x), 10000):
        cells = table[workloads.thousandths(x[start:start + 10000]) + 9999]
        last = np.array([f"{label}\n" for label in range(10)], dtype="S2")[labels[start:start + 10000]]
        rows = np.concatenate([cells.view(np.uint8).reshape(len(cells), -1), last.view(np.uint8).reshape(len(cells), -1)], axis=1)
        out += rows.tobytes()
    return bytes(out)


def spec(name, epochs, threads=1):
    w = workloads.WORKLOADS[name]
    optimizer = {"type": w["opt"], "learning_rate": w["lr"]}
    if w["opt"] == "sgd":
        optimizer["momentum"] = 0.9
    inputs = {"numeric": "none"}
    if name == "W2":
        # Three pixels are blank in every row and would be left out.
        inputs["columns"] = {column: {"as": "numeric", "scale": "none"} for column in ("x0", "x32", "x39")}
    if "tokens" in w:
        column = {"as": "text", "embedding": "words", "tokenizer": "whitespace", "pooling": "window", "window": w["tokens"]}
        inputs = {"embeddings": {"words": {"dim": w["dim"], "vocabulary": w["vocab"]}}, "columns": {"text": column}}
    return {
        "dataset": "w3" if name == "W4" else name.lower(), "inputs": inputs, "hidden_layers": w["hidden"], "activation": w["act"],
        "targets": [{"column": "y", "type": "binary" if w["loss"] == "bce" else "classification"}], "optimizer": optimizer,
        "batch_size": w["batch"], "epochs": epochs, "threads": threads, "split": False, "early_stopping": False, "checks": [],
    }


def prepare(names):
    """Uploads what is not there yet."""
    with Server(DATA) as server:
        there = {dataset["name"] for dataset in server.call("GET", "/v1/datasets")["data"]}
        for name in sorted({"W3" if name == "W4" else name for name in names}):
            if name.lower() not in there:
                server.call("POST", f"/v1/datasets?name={name.lower()}", csv(name), "text/csv")


def measure(name, threads):
    w = workloads.WORKLOADS[name]
    with Server(DATA) as server:
        def cost(epochs, repeats):
            cpu, jobs = server.cpu(), []
            for _ in range(repeats):
                jobs.append(server.train(spec(name, epochs, threads)))
            cpu = (server.cpu() - cpu) / repeats
            return cpu, min(job["train_seconds"] for job in jobs), jobs[-1]
        if REPEATS[name] > 1:
            cost(1, 2)
        times = TIMES.get(name, 1)
        short, long = cost(1, REPEATS[name]), cost(1 + times * w["epochs"], REPEATS[name])
        for job in server.call("GET", "/v1/jobs?limit=200")["data"]:
            server.call("DELETE", f"/v1/jobs/{job['id']}")
        cpu, wall = (long[0] - short[0]) / times, (long[1] - short[1]) / times
        own = min(wall, cpu) if REPEATS[name] > 1 else cpu
        workloads.report(name, wall, own, w["n"] * w["epochs"], long[2]["last"]["loss"], process_s=cpu)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("workload", help="W1 to W6, or `prepare`")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--only", default=",".join(workloads.WORKLOADS), help="what to prepare")
    a = p.parse_args()
    prepare(a.only.split(",")) if a.workload == "prepare" else measure(a.workload, a.threads)
