"""Golden trajectories: what PyTorch makes of a small network in 1, 10, 100 and 1000 steps, for every optimizer and schedule.

    python -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python tests/numerics/golden/trajectories.py > tests/numerics/golden/trajectories.json

Network: 10 features, 8 tanh units, 3 classes, softmax cross-entropy (mean over the batch). Data and first weights are
fractions of powers of two, so that f32 and f64 begin with the same numbers. 16 batches of 8 rows are one epoch, which repeats.
Of the 115 parameters every tenth is kept, and the norm of all; of the losses those of the steps themselves.
Where PyTorch has no such rule (classical momentum, tau, inverse time, max-norm), it is written out here with tensors.
"""

import json
import math
import sys

import numpy as np
import torch

POINTS = [1, 10, 100, 1000]
FEATURES, HIDDEN, CLASSES, ROWS = 10, 8, 3, 64
BATCHES, BATCH = 16, 8
torch.set_num_threads(1)

draw = np.random.RandomState(1)
X = np.round(draw.randn(ROWS, FEATURES) * 64) / 64
Y = (X[:, :CLASSES] + 0.5 * np.round(draw.randn(ROWS, CLASSES) * 64) / 64).argmax(1)
batches = draw.randint(0, ROWS, (BATCHES, BATCH))
start = [
    np.round(draw.uniform(-0.57, 0.57, (HIDDEN, FEATURES)) * 1024) / 1024,
    np.zeros(HIDDEN),
    np.round(draw.uniform(-0.73, 0.73, (CLASSES, HIDDEN)) * 1024) / 1024,
    np.zeros(CLASSES),
]

SGD = {"type": "sgd", "learning_rate": 0.1}
CASES = []


def case(name, optimizer, schedule=None, **more):
    CASES.append({"name": name, "optimizer": optimizer, "schedule": schedule, **more})


EXPONENTIAL = {"type": "exponential", "gamma": 0.95, "unit": "epoch"}
COSINE = {"type": "cosine", "steps": 800, "final": 0.0, "unit": "step"}
OPTIMIZERS = {
    "sgd": SGD,
    "momentum": {**SGD, "momentum": 0.9},
    "dampened": {**SGD, "momentum": 0.9, "dampening": 0.3},
    "nesterov": {**SGD, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4, "weight_decay_biases": True},
    "classical": {**SGD, "momentum": 0.9, "momentum_form": "classical"},
    "classical nesterov": {**SGD, "momentum": 0.9, "momentum_form": "classical", "nesterov": True},
    "rising momentum": {**SGD, "momentum": {"initial": 0.5, "final": 0.9, "epochs": 5}},
    "adagrad": {"type": "adagrad", "learning_rate": 0.05},
    "adagrad with decay": {"type": "adagrad", "learning_rate": 0.05, "learning_rate_decay": 0.01, "initial_accumulator": 0.1,
                           "weight_decay": 1e-3},
    "rmsprop": {"type": "rmsprop", "learning_rate": 1e-3},
    "rmsprop centered with momentum": {"type": "rmsprop", "learning_rate": 1e-3, "centered": True, "momentum": 0.8},
    "adadelta": {"type": "adadelta", "learning_rate": 1.0},
    "adam": {"type": "adam", "learning_rate": 1e-3},
    "adam with decay": {"type": "adam", "learning_rate": 1e-3, "weight_decay": 1e-2},
    "amsgrad": {"type": "adam", "learning_rate": 1e-3, "amsgrad": True},
    "adamw": {"type": "adamw", "learning_rate": 1e-3, "weight_decay": 0.01},
    "adamw on biases": {"type": "adamw", "learning_rate": 1e-3, "weight_decay": 0.1, "weight_decay_biases": True, "amsgrad": True},
    "nadam": {"type": "nadam", "learning_rate": 2e-3},
}
for name, optimizer in OPTIMIZERS.items():
    case(f"{name}, constant", optimizer)
    case(f"{name}, decaying", optimizer, COSINE if len(name) % 2 else EXPONENTIAL)
MOMENTUM = OPTIMIZERS["momentum"]
case("step", MOMENTUM, {"type": "step", "step_size": 7, "gamma": 0.5, "unit": "epoch"})
case("inverse time", MOMENTUM, {"type": "inverse_time", "k": 0.01, "unit": "step"})
case("tau", MOMENTUM, {"type": "tau", "tau": 200, "unit": "step"})
case("polynomial", MOMENTUM, {"type": "polynomial", "steps": 900, "power": 2.0, "final": 0.0, "unit": "step"})
case("restarts", MOMENTUM, {"type": "cosine_restarts", "first": 100, "multiplier": 2, "final": 0.001, "unit": "step"})
case("warm-up and cosine", MOMENTUM, {**COSINE, "warmup": {"steps": 50, "start_factor": 0.1}})
case("one cycle", MOMENTUM, {"type": "one_cycle", "steps": 1000, "max_learning_rate": 0.2, "rise": 0.3})
case("one cycle of adam", OPTIMIZERS["adam"], {"type": "one_cycle", "steps": 1000, "max_learning_rate": 0.01, "rise": 0.3})
case("plateau", {**SGD, "learning_rate": 0.5}, {"type": "plateau", "factor": 0.5, "patience": 2, "min_delta": 0.005})
case("clipped by norm", MOMENTUM, clipping={"type": "norm", "value": 0.2})
case("clipped by value", OPTIMIZERS["adam"], clipping={"type": "value", "value": 0.01})
case("l2 and l1", SGD, l2=0.01, l1=0.001)
case("max-norm", SGD, max_norm=0.9)


class Classical(torch.optim.Optimizer):
    """v = mu v - lr g; theta += v, or with Nesterov theta += mu v - lr g (Keras)."""

    def __init__(self, params, lr, momentum, nesterov=False):
        super().__init__(params, {"lr": lr, "momentum": momentum, "nesterov": nesterov})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                v = self.state[p].setdefault("v", torch.zeros_like(p))
                v.mul_(group["momentum"]).sub_(p.grad, alpha=group["lr"])
                if group["nesterov"]:
                    p.add_(v, alpha=group["momentum"]).sub_(p.grad, alpha=group["lr"])
                else:
                    p.add_(v)


def optimizer_of(spec, weights, biases):
    spec = dict(spec)
    kind, lr = spec.pop("type"), spec.pop("learning_rate")
    decay, on_biases = spec.pop("weight_decay", 0.0), spec.pop("weight_decay_biases", False)
    groups = [{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": decay if on_biases else 0.0}]
    betas = {"betas": (0.9, 0.999)}
    if kind == "sgd":
        momentum = spec.pop("momentum", 0.0)
        momentum = momentum["initial"] if isinstance(momentum, dict) else momentum
        if spec.pop("momentum_form", "pytorch") == "classical":
            return Classical(weights + biases, lr, momentum, spec.get("nesterov", False))
        return torch.optim.SGD(groups, lr, momentum=momentum, **spec)
    if kind == "adagrad":
        return torch.optim.Adagrad(groups, lr, lr_decay=spec.get("learning_rate_decay", 0.0),
                                   initial_accumulator_value=spec.get("initial_accumulator", 0.0))
    if kind == "rmsprop":
        return torch.optim.RMSprop(groups, lr, **spec)
    if kind == "adadelta":
        return torch.optim.Adadelta(groups, lr, rho=0.9, eps=1e-6)
    if kind == "adam":
        return torch.optim.Adam(groups, lr, **betas, **spec)
    if kind == "adamw":
        return torch.optim.AdamW(groups, lr, **betas, **spec)
    return torch.optim.NAdam(groups, lr, momentum_decay=4e-3, **betas)


def scheduler_of(spec, optimizer):
    """A scheduler, and whether it counts epochs."""
    if spec is None:
        return None, False
    s = torch.optim.lr_scheduler
    kind, of_epochs = spec["type"], spec.get("unit") == "epoch"
    if kind == "step":
        return s.StepLR(optimizer, spec["step_size"], spec["gamma"]), of_epochs
    if kind == "exponential":
        return s.ExponentialLR(optimizer, spec["gamma"]), of_epochs
    if kind == "inverse_time":
        return s.LambdaLR(optimizer, lambda t: 1 / (1 + spec["k"] * t)), of_epochs
    if kind == "tau":
        return s.LambdaLR(optimizer, lambda t: spec["tau"] / max(t, spec["tau"])), of_epochs
    if kind == "polynomial":
        return s.PolynomialLR(optimizer, spec["steps"], spec["power"]), of_epochs
    if kind == "cosine":
        # PyTorch's rises again after T; ours stays.
        half = lambda t: (1 + math.cos(math.pi * min(t, spec["steps"]) / spec["steps"])) / 2
        cosine = s.LambdaLR(optimizer, half)
        if "warmup" not in spec:
            return cosine, of_epochs
        warm = spec["warmup"]
        first = lambda t: warm["start_factor"] + (1 - warm["start_factor"]) * t / warm["steps"]
        both = lambda t: first(t) if t < warm["steps"] else half(t - warm["steps"])
        return s.LambdaLR(optimizer, both), of_epochs
    if kind == "cosine_restarts":
        return s.CosineAnnealingWarmRestarts(optimizer, spec["first"], spec["multiplier"], spec["final"]), of_epochs
    if kind == "one_cycle":
        return s.OneCycleLR(optimizer, spec["max_learning_rate"], total_steps=spec["steps"], pct_start=spec["rise"]), False
    return s.ReduceLROnPlateau(optimizer, factor=spec["factor"], patience=spec["patience"], threshold=spec["min_delta"],
                               threshold_mode="abs"), "metric"


def run(case, dtype):
    torch.set_default_dtype(dtype)  # NAdam keeps the product of its momenta in the default dtype
    first = torch.nn.Linear(FEATURES, HIDDEN)
    last = torch.nn.Linear(HIDDEN, CLASSES)
    tensors = [first.weight, first.bias, last.weight, last.bias]
    with torch.no_grad():
        for tensor, values in zip(tensors, start):
            tensor.copy_(torch.tensor(values, dtype=dtype))
    weights, biases = [first.weight, last.weight], [first.bias, last.bias]
    optimizer = optimizer_of(case["optimizer"], weights, biases)
    scheduler, of_epochs = scheduler_of(case["schedule"], optimizer)
    x, y = torch.tensor(X, dtype=dtype), torch.tensor(Y)
    rising = case["optimizer"].get("momentum")
    found, epoch_loss = [], 0.0
    for step in range(1, POINTS[-1] + 1):
        epoch, place = divmod(step - 1, BATCHES)
        if isinstance(rising, dict):
            share = min(epoch / rising["epochs"], 1.0)
            for group in optimizer.param_groups:
                group["momentum"] = rising["initial"] + (rising["final"] - rising["initial"]) * share
        rows = torch.tensor(batches[place])
        loss = torch.nn.functional.cross_entropy(last(torch.tanh(first(x[rows]))), y[rows])
        objective = loss
        if case.get("l2"):
            objective = objective + case["l2"] / 2 * sum((w * w).sum() for w in weights)
        if case.get("l1"):
            objective = objective + case["l1"] * sum(w.abs().sum() for w in weights)
        optimizer.zero_grad()
        objective.backward()
        clipping = case.get("clipping")
        if clipping and clipping["type"] == "norm":
            torch.nn.utils.clip_grad_norm_(tensors, clipping["value"])
        elif clipping:
            torch.nn.utils.clip_grad_value_(tensors, clipping["value"])
        optimizer.step()
        if case.get("max_norm"):
            with torch.no_grad():
                for w in weights:
                    w.mul_((case["max_norm"] / w.norm(dim=1, keepdim=True)).clamp(max=1.0))
        epoch_loss += loss.item() / BATCHES
        if scheduler and not of_epochs and not (case["schedule"]["type"] == "one_cycle" and step == POINTS[-1]):
            scheduler.step()
        if place == BATCHES - 1:
            if of_epochs == "metric":
                scheduler.step(epoch_loss)
            elif of_epochs:
                scheduler.step()
            epoch_loss = 0.0
        if step in POINTS:
            flat = torch.cat([t.detach().reshape(-1) for t in tensors]).double()
            found.append({"loss": loss.item(), "norm": flat.norm().item(), "sample": flat[::10].tolist()})
    return found


def lbfgs():
    """The loss of all rows after 5 epochs of torch's own L-BFGS with strong Wolfe: only where it ends is compared."""
    torch.set_default_dtype(torch.float64)
    first, last = torch.nn.Linear(FEATURES, HIDDEN), torch.nn.Linear(HIDDEN, CLASSES)
    tensors = [first.weight, first.bias, last.weight, last.bias]
    with torch.no_grad():
        for tensor, values in zip(tensors, start):
            tensor.copy_(torch.tensor(values))
    x, y = torch.tensor(X), torch.tensor(Y)
    optimizer = torch.optim.LBFGS(tensors, lr=1, max_iter=20, history_size=10, line_search_fn="strong_wolfe")

    def objective():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(last(torch.tanh(first(x))), y)
        loss = loss + 0.005 * sum((w * w).sum() for w in [first.weight, last.weight])
        loss.backward()
        return loss

    return [float(optimizer.step(objective).item()) for _ in range(5)] + [float(objective().item())]


golden = {
    "made_by": f"torch {torch.__version__.split('+')[0]}, numpy {np.__version__}",
    "x": X.tolist(),
    "y": Y.tolist(),
    "batches": batches.tolist(),
    "start": np.concatenate([s.reshape(-1) for s in start]).tolist(),
    "points": POINTS,
    "lbfgs": lbfgs(),
    "cases": [{**c, "f64": run(c, torch.float64), "f32": run(c, torch.float32)} for c in CASES],
}
# One case a line keeps differences readable.
cases = ",\n".join(json.dumps(c) for c in golden.pop("cases"))
sys.stdout.write(json.dumps(golden)[:-1] + ', "cases": [\n' + cases + "\n]}\n")
