"""Figures of the server around the training: from the POST to the end, a queue of small jobs, first step, memory, neighbours.

Prints medians. A busy machine gives larger numbers.
"""

import statistics
import tempfile
import threading
import time
from datetime import datetime

import numpy as np

import ours
import workloads
from server import Server


def iris(threads=1, epochs=200):
    return ours.spec("W1", epochs, threads)


def milliseconds(work):
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def small_jobs():
    with tempfile.TemporaryDirectory() as directory, Server(directory, workers=2) as server:
        server.call("POST", "/v1/datasets?name=w1", ours.csv("W1"), "text/csv")
        server.train(iris())
        times = [milliseconds(lambda: server.train(iris())) for _ in range(31)]
        print(f"W1, POST to succeeded: {statistics.median(times):.1f} ms (31 jobs, {min(times):.1f} to {max(times):.1f})")
        started = [server.train(iris()) for _ in range(5)]
        first = []
        for job in started:
            index = server.call("GET", f"/v1/jobs/{job['id']}/metrics?by=step&names=loss")
            first.append(first_step_ms(job, index))
        print(f"W1, start of the job to its first step: {statistics.median(first):.1f} ms")

        def hundred():
            jobs = [server.call("POST", "/v1/jobs", iris())["id"] for _ in range(100)]
            for job in jobs:
                while server.call("GET", f"/v1/jobs/{job}?wait=30")["status"] != "succeeded":
                    pass
        print(f"W1, 100 jobs through two workers: {milliseconds(hundred) / 1e3:.2f} s")


def first_step_ms(job, metrics):
    began, first = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (job["started_at"], metrics["columns"]["time"][0]))
    return (first - began).total_seconds() * 1e3


def large_jobs():
    for name in ("W3", "W4", "W5"):
        w = workloads.WORKLOADS[name]
        with Server(ours.DATA) as server:
            job = server.train(ours.spec(name, 1))
            index = server.call("GET", f"/v1/jobs/{job['id']}/metrics?by=step&names=loss")
            data, parameters = 4 * w["n"] * (w["d"] + 1), 4 * job["parameters"]
            more = server.memory() - data - 10 * parameters
            print(f"{name}: start to first step {first_step_ms(job, index):.0f} ms; peak memory {server.memory() / 1e6:.0f} MB, that is data "
                  f"({data / 1e6:.0f}) + ten times the parameters ({10 * parameters / 1e6:.0f}) + {more / 1e6:.0f}")
            server.call("DELETE", f"/v1/jobs/{job['id']}")


def two_at_once(rounds=6):
    """Whether two jobs on two workers slow each other more than two bare loops of products do: medians, alone and both in turn."""
    with Server(ours.DATA, workers=2) as server:
        def seconds():
            return server.train(ours.spec("W2", 400))["train_seconds"]
        seconds()
        alone, both = [], []
        for _ in range(rounds):
            alone.append(seconds())
            threads = [threading.Thread(target=lambda: both.append(seconds())) for _ in range(2)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
        print(f"W2, two jobs on two workers: each takes {np.median(both) / np.median(alone):.2f} times as long as alone")
        for job in server.call("GET", "/v1/jobs?limit=200")["data"]:
            server.call("DELETE", f"/v1/jobs/{job['id']}")


if __name__ == "__main__":
    ours.prepare(["W2", "W3", "W4", "W5"])
    small_jobs()
    large_jobs()
    two_at_once()
