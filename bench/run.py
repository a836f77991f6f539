"""Runs the programs that are compared, each time in a fresh process and in turn, and prints a table for each workload.

On one thread the smallest CPU time counts, which neighbours on the machine can hardly change; on two the smallest wall time, which is
worth reading only when `others` (cores that others kept busy meanwhile) is near 0.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import workloads

HERE = pathlib.Path(__file__).resolve().parent


def programs(name, threads):
    python, number = sys.executable, str(threads)
    one_core = ["taskset", "-c", "1"] if threads == 1 and (os.cpu_count() or 1) > 1 else []
    yield "ours", [python, "ours.py", name, "--threads", number]
    yield "torch", [python, "peer_torch.py", name, "--threads", number]
    if name != "W6":
        yield "torch, fused", [python, "peer_torch.py", name, "--threads", number, "--fused"]
    yield "jax", one_core + [python, "peer_jax.py", name]
    if name in ("W1", "W2", "W3"):
        yield "scikit-learn", [python, "peer_sklearn.py", name]
        keras = os.environ.get("KERAS_PYTHON")
        if keras:
            yield "keras", [keras, "peer_keras.py", name, "--threads", number]


def busy():
    fields = [int(x) for x in open("/proc/stat").readline().split()[1:]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def run(command, threads):
    # These two make OpenBLAS pick kernels of another machine.
    env = {key: value for key, value in os.environ.items() if key not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    env.update({key: str(threads) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")})
    before, began = busy(), time.perf_counter()
    process = subprocess.Popen(command, cwd=HERE, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, errors = process.communicate()
    spent = resource_of_children()
    if process.returncode != 0:
        print(f"{' '.join(command[-3:])} failed: {errors[-300:]}", file=sys.stderr)
        return None
    line = json.loads(out.strip().splitlines()[-1])
    line["others"] = max(0.0, (busy() - before - spent) / (time.perf_counter() - began))
    return line


children = 0.0


def resource_of_children():
    import resource
    global children
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    now, before = usage.ru_utime + usage.ru_stime, children
    children = now
    return now - before


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", default=",".join(workloads.WORKLOADS))
    p.add_argument("--repeats", type=int, default=3)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--programs", default="", help="only these, by the names in the table")
    a = p.parse_args()
    names = a.only.split(",")
    wanted = a.programs.split(",") if a.programs else None
    subprocess.run([sys.executable, "ours.py", "prepare", "--only", a.only], cwd=HERE, check=True)
    measure = "cpu_s" if a.threads == 1 else "wall_s"
    for name in names:
        found = {}
        for _ in range(a.repeats):
            for program, command in programs(name, a.threads):
                if wanted is None or program in wanted:
                    line = run(command, a.threads)
                    if line:
                        found.setdefault(program, []).append(line)
        w = workloads.WORKLOADS[name]
        print(f"\n### {name}, {a.threads} thread(s): {w['d']}-{'-'.join(map(str, w['hidden']))}-{w['out']} {w['act']}, "
              f"{w['n']} rows, batch {w['batch']}, {w['opt']}, {w['epochs']} epoch(s)\n")
        print("| program | CPU s | wall s | µs a step | GFLOP/s | ours is faster by | loss | others |")
        print("|---|---|---|---|---|---|---|---|")
        per_row = {program: min(line[measure] / line["rows"] for line in lines) for program, lines in found.items()}
        for program, lines in found.items():
            cpu, wall = (min(line[key] for line in lines) for key in ("cpu_s", "wall_s"))
            of_steps = per_row[program] * w["n"] * w["epochs"] / workloads.steps(name) * 1e6
            gflops = workloads.flops(name) / per_row[program] / 1e9
            ratio = f"{per_row[program] / per_row['ours']:.2f}×" if "ours" in per_row else ""
            print(f"| {program} | {cpu:.4f} | {wall:.4f} | {of_steps:.2f} | {gflops:.1f} | {ratio} | {lines[-1]['loss']:.4f} "
                  f"| {min(line['others'] for line in lines):.1f} |", flush=True)


main()
