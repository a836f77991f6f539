"""PyTorch on the CPU, by a loop of one's own: index the batch, forward, backward, optimizer. A warm-up is not counted."""

import argparse
import time

p = argparse.ArgumentParser()
p.add_argument("workload")
p.add_argument("--threads", type=int, default=1)
p.add_argument("--fused", action="store_true", help="the optimizer's fused form instead of the default")
a = p.parse_args()

import torch
import torch.nn as nn
import torch.nn.functional as F

import workloads

torch.set_num_threads(a.threads)
w = workloads.WORKLOADS[a.workload]
x, y = map(torch.from_numpy, workloads.load(a.workload))
torch.manual_seed(0)


def build():
    sizes = [w["d"]] + w["hidden"]
    layers = []
    for i, o in zip(sizes, sizes[1:]):
        layers += [nn.Linear(i, o), nn.Tanh() if w["act"] == "tanh" else nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(sizes[-1], w["out"]))
    table = nn.Embedding(w["vocab"], w["dim"], sparse=True) if "vocab" in w else None
    fused = {"fused": True} if a.fused else {}
    if w["opt"] == "sgd":
        return net, table, torch.optim.SGD(net.parameters(), lr=w["lr"], momentum=0.9, **fused)
    if w["opt"] == "adam":
        return net, table, torch.optim.Adam(net.parameters(), lr=w["lr"], **fused)
    # Sparse slopes need the form that loops over tensors.
    both = list(table.parameters()) + list(net.parameters())
    return net, table, torch.optim.Adagrad(both, lr=w["lr"], foreach=False)


def loss_of(net, table, x, y):
    z = net(x if table is None else table(x).flatten(1))
    return F.cross_entropy(z, y) if w["loss"] == "ce" else F.binary_cross_entropy_with_logits(z.squeeze(1), y)


def epoch(net, table, optimizer, most=None):
    order = torch.randperm(x.shape[0])
    for step, start in enumerate(range(0, x.shape[0], w["batch"])):
        if step == most:
            break
        rows = order[start:start + w["batch"]]
        loss = loss_of(net, table, x[rows], y[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


epoch(*build(), most=3)
made = build()
wall, cpu = time.perf_counter(), time.process_time()
for _ in range(w["epochs"]):
    epoch(*made)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
with torch.no_grad():
    loss = loss_of(made[0], made[1], x[:20000], y[:20000]).item()
workloads.report(a.workload, wall, cpu, w["n"] * w["epochs"], loss, version=torch.__version__)
