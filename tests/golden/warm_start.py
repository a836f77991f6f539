"""Writes warm_start.json: where PyTorch arrives from given weights over given batches of the bundled iris, in f64.

    pip install torch==2.15.0 numpy==2.4.6 && python tests/golden/warm_start.py

The story `warm_start` uploads the same weights, sends the same batches, and must arrive at the same place.
"""

import csv
import json
from pathlib import Path

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

here = Path(__file__).parent
with open(here / "../../src/data/samples/iris.csv", newline="") as file:
    rows = list(csv.DictReader(file))
labels = sorted({row["species"] for row in rows})
inputs = [name for name in rows[0] if name != "species"]
x = torch.tensor([[float(row[name]) for name in inputs] for row in rows])
y = torch.tensor([labels.index(row["species"]) for row in rows])

draw = np.random.RandomState(1)
limit = lambda fan_in, fan_out: (6 / (fan_in + fan_out)) ** 0.5
start = {
    "hidden.0.weight": draw.uniform(-limit(4, 8), limit(4, 8), (8, 4)),
    "hidden.0.bias": draw.uniform(-0.1, 0.1, 8),
    "head.species.weight": draw.uniform(-limit(8, 3), limit(8, 3), (3, 8)),
    "head.species.bias": draw.uniform(-0.1, 0.1, 3),
}
# Any sizes, with duplicates: 20 steps an epoch.
batches = [[int(row) for row in draw.randint(0, len(rows), draw.randint(5, 33))] for _ in range(20)]
EPOCHS = 10

OPTIMIZERS = {
    "sgd": ({"type": "sgd", "learning_rate": 0.05}, lambda p: torch.optim.SGD(p, lr=0.05)),
    "momentum": (
        {"type": "sgd", "learning_rate": 0.02, "momentum": 0.9},
        lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
    ),
    "nesterov": (
        {"type": "sgd", "learning_rate": 0.02, "momentum": 0.9, "nesterov": True},
        lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True),
    ),
    "adagrad": ({"type": "adagrad", "learning_rate": 0.05}, lambda p: torch.optim.Adagrad(p, lr=0.05)),
    "adam": ({"type": "adam", "learning_rate": 0.003}, lambda p: torch.optim.Adam(p, lr=0.003)),
}


def run(make):
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    named = dict(zip(start, network.parameters()))
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(torch.tensor(start[name]))
    optimizer = make(network.parameters())
    losses = []
    for _ in range(EPOCHS):
        for batch in batches:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return {
        "losses": losses,
        "weights": {name: parameter.detach().flatten().tolist() for name, parameter in named.items()},
    }


golden = {
    "made_with": f"torch {torch.__version__.split('+')[0]}",
    "start": {name: {"shape": list(values.shape), "values": values.flatten().tolist()} for name, values in start.items()},
    "batches": batches,
    "epochs": EPOCHS,
    "runs": {name: {"optimizer": spec, **run(make)} for name, (spec, make) in OPTIMIZERS.items()},
}
target = here / "warm_start.json"
target.write_text(json.dumps(golden) + "\n")
print(f"{target}: {target.stat().st_size} bytes")
