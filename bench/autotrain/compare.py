"""Autotrain beside scikit-learn's random search of 40 trials (reference.json): the same rows to learn from, the same rows held out.

Starts the server that TRAINYARD names (target/release/trainyard), gives it the rows as two files, and asks for autotrain with the default budget. Prints for
each data set both measures, the standard error of the reference, and the seconds: by the clock, and of processor time, which tells
the same on a busy machine. Exit code 1 where a measure is more than one standard error behind, or where it took longer.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import reference

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


def ask(url, body=None, kind="application/json"):
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": kind} if data else {})
    with urllib.request.urlopen(request, timeout=90) as answer:
        return json.load(answer)


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run(base, pid, name, mark):
    lines = (reference.SAMPLES / f"{name}.csv").read_text().splitlines()
    held = set(mark["test_rows"])
    part = lambda keep: "\n".join([lines[0], *(line for row, line in enumerate(lines[1:]) if (row in held) == keep)]).encode()
    for end, keep in (("train", False), ("test", True)):
        ask(f"{base}/v1/datasets?name={name}-{end}", part(keep), "text/csv")
    began, cpu = time.perf_counter(), cpu_seconds(pid)
    run = ask(f"{base}/v1/autotrain", {"dataset": f"{name}-train", "target": reference.TARGETS[name], "test": {"dataset": f"{name}-test"}})
    while run["finished_at"] is None:
        run = ask(f"{base}/v1/autotrain/{run['id']}?wait=60")
    seconds, cpu = time.perf_counter() - began, cpu_seconds(pid) - cpu
    assert run["status"] == "succeeded", run
    evaluation = ask(f"{base}/v1/jobs/{run['model']}/evaluation?split=test&bootstrap=0")
    measured = evaluation["targets"][reference.TARGETS[name]]
    return {"value": measured[mark["measure"]], "seconds": seconds, "cpu_seconds": cpu, "recipe": run["result"]["recipe"]}


def main():
    marks = json.loads((HERE / "reference.json").read_text())
    program = os.environ.get("TRAINYARD", str(ROOT / "target" / "release" / "trainyard"))
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "serve", "--listen", "127.0.0.1:0", "--data-dir", folder, "--log", "error"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            base = server.stdout.readline().split()[-1]
            print(f"{'data':14} {'measure':9} {'sklearn':>8} {'± se':>6} {'ours':>7}  {'s sklearn':>10} {'s ours':>7} {'cpu sklearn':>12} {'cpu ours':>9}")
            for name in sys.argv[1:] or [name for name in reference.TARGETS if name in marks]:
                mark = marks[name]
                ours = run(base, server.pid, name, mark)
                behind = ours["value"] < mark["value"] - mark["standard_error"] or ours["cpu_seconds"] > mark["cpu_seconds"]
                failed |= behind
                print(
                    f"{name:14} {mark['measure']:9} {mark['value']:8.4f} {mark['standard_error']:6.4f} {ours['value']:7.4f}  {mark['seconds']:10.1f}"
                    f" {ours['seconds']:7.1f} {mark['cpu_seconds']:12.1f} {ours['cpu_seconds']:9.1f}{'  BEHIND' if behind else ''}  {json.dumps(ours['recipe'])}",
                    flush=True,
                )
        finally:
            server.terminate()
            server.wait()
    sys.exit(failed)


if __name__ == "__main__":
    main()
