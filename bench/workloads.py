"""The six workloads and their data, the same for every program that is compared (float32, fixed seeds)."""

import numpy as np

# loss: ce is softmax cross-entropy, bce one logit. SGD has momentum 0.9. batch, lr and epochs are the same for all.
WORKLOADS = {
    "W1": dict(n=150, d=4, hidden=[16, 16], out=3, act="tanh", loss="ce", batch=16, opt="sgd", lr=0.05, epochs=200),
    "W2": dict(n=1797, d=64, hidden=[128], out=10, act="relu", loss="ce", batch=32, opt="adam", lr=1e-3, epochs=50),
    "W3": dict(n=60000, d=784, hidden=[128], out=10, act="relu", loss="ce", batch=64, opt="sgd", lr=0.01, epochs=3),
    "W4": dict(n=60000, d=784, hidden=[1024, 1024], out=10, act="relu", loss="ce", batch=256, opt="adam", lr=1e-3, epochs=1),
    "W5": dict(n=1000000, d=28, hidden=[300, 300], out=1, act="relu", loss="bce", batch=512, opt="adam", lr=1e-3, epochs=1),
    "W6": dict(n=200000, d=640, hidden=[128], out=20, act="relu", loss="ce", batch=128, opt="adagrad", lr=0.01, epochs=1,
               vocab=50000, dim=64, tokens=10),
}


def load(name):
    """Features (tokens for W6) and labels. W3 to W5 have three decimals, so that a short CSV holds the same numbers."""
    w = WORKLOADS[name]
    draw = np.random.default_rng(1234)
    if name == "W1":
        from sklearn.datasets import load_iris
        x, y = load_iris(return_X_y=True)
        return ((x - x.mean(0)) / x.std(0)).astype(np.float32), y.astype(np.int64)
    if name == "W2":
        from sklearn.datasets import load_digits
        x, y = load_digits(return_X_y=True)
        return (x / 16.0).astype(np.float32), y.astype(np.int64)
    if name == "W6":
        x = draw.integers(0, w["vocab"], size=(w["n"], w["tokens"]), dtype=np.int64)
        return x, x[:, 0] % w["out"]
    x = thousandths(draw.standard_normal((w["n"], w["d"]), dtype=np.float32)).astype(np.float32) / np.float32(1000)
    z = x @ draw.standard_normal((w["d"], w["out"]), dtype=np.float32)
    if w["loss"] == "bce":
        return x, (z[:, 0] + 0.5 * np.abs(x[:, 0]) > 0).astype(np.float32)
    return x, z.argmax(1).astype(np.int64)


def thousandths(x):
    return np.clip(np.rint(x * 1000), -9999, 9999).astype(np.int32)


def steps(name, last=True):
    """Steps of the whole run; without the short last batch of an epoch for programs that drop it."""
    w = WORKLOADS[name]
    return w["epochs"] * (-(-w["n"] // w["batch"]) if last else w["n"] // w["batch"])


def flops(name):
    """Of the products for one row: forward, slope of the weights, and of the inputs but in the first dense layer."""
    w = WORKLOADS[name]
    sizes = [w["d"]] + w["hidden"] + [w["out"]]
    return sum(2 * (3 if i > 0 or name == "W6" else 2) * a * b for i, (a, b) in enumerate(zip(sizes, sizes[1:])))


def report(name, wall, cpu, rows, loss, **more):
    """What every program prints as its last line."""
    import json
    print(json.dumps(dict(wall_s=wall, cpu_s=cpu, rows=rows, loss=loss, **more)))
