"""docs/scikit-learn.md is true: the same network, the same weights, the same batches give scikit-learn's loss curve.

scikit-learn's own drawing of weights and shuffling cannot be matched; so its first weights are uploaded, and both go through the rows in the order of the file,
in batches of equal size (its `alpha` is divided by the size of each batch).
"""

import json

import numpy as np
import pytest
import safetensors.numpy
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.neural_network import MLPClassifier, MLPRegressor

ROWS, BATCH, EPOCHS = 120, 20, 15
ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}


def csv(x, y):
    names = ",".join(f"x{i}" for i in range(x.shape[1]))
    lines = [",".join([*(repr(float(v)) for v in row), str(label)]) for row, label in zip(x, y)]
    return "\n".join([f"{names},y", *lines, ""]).encode()


def fitted(model, x, y):
    """Two fits: one that lets scikit-learn make its weights, one from them with a fresh optimizer."""
    model.set_params(max_iter=1)
    with pytest.warns():
        model.fit(x, y)
    coefs, intercepts = [c.copy() for c in model.coefs_], [b.copy() for b in model.intercepts_]
    model.set_params(max_iter=EPOCHS)
    model.loss_curve_ = []
    with pytest.warns():
        model.fit(x, y)
    return coefs, intercepts, model.loss_curve_[-EPOCHS:]


def tensors(coefs, intercepts):
    names = [f"hidden.{i}" for i in range(len(coefs) - 1)] + ["head.y"]
    weights = {f"{name}.weight": np.ascontiguousarray(c.T) for name, c in zip(names, coefs)}
    return weights | {f"{name}.bias": b for name, b in zip(names, intercepts)}


def ours(server, name, x, y, coefs, intercepts, patch):
    server.raw("PUT", f"/v1/datasets/{name}", csv(x, y), "text/csv")
    weights = server.post_raw("/v1/weights", safetensors.numpy.save(tensors(coefs, intercepts)))
    spec = {
        "dataset": name,
        "targets": [{"column": "y"} | patch.pop("target", {})],
        "inputs": {"numeric": "none"},
        "split": False,
        "hidden_layers": [c.shape[1] for c in coefs[:-1]],
        "batch_size": BATCH,
        "shuffle": False,
        "epochs": EPOCHS,
        "early_stopping": False,
        "precision": "f64",
        "warm_start": {"weights": weights["id"]},
    } | patch
    job = server.train(spec)
    columns = server.get(f"/v1/jobs/{job['id']}/metrics?names=objective")["columns"]
    return np.array(columns["objective"][1:])


OPTIMIZERS = {
    "sgd": (
        {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0.0},
        {"type": "sgd", "learning_rate": 0.05},
        1e-10,
    ),
    "momentum": (
        {"solver": "sgd", "learning_rate_init": 0.02, "momentum": 0.9, "nesterovs_momentum": False},
        {"type": "sgd", "learning_rate": 0.02, "momentum": 0.9, "momentum_form": "classical"},
        1e-10,
    ),
    "nesterov": (
        {"solver": "sgd", "learning_rate_init": 0.02, "momentum": 0.9, "nesterovs_momentum": True},
        {"type": "sgd", "learning_rate": 0.02, "momentum": 0.9, "nesterov": True, "momentum_form": "classical"},
        1e-10,
    ),
    # scikit-learn adds its epsilon before the bias correction, torch and we after it: a small one makes both the same.
    "adam": (
        {"solver": "adam", "learning_rate_init": 0.01, "epsilon": 1e-14},
        {"type": "adam", "learning_rate": 0.01, "epsilon": 1e-14},
        1e-8,
    ),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("task", ["classes", "binary", "numbers"])
def test_the_same_weights_and_batches_give_the_loss_curve_of_scikit_learn(server, optimizer, activation, task):
    theirs, optimizer_spec, tolerance = OPTIMIZERS[optimizer]
    alpha = 0.01
    common = dict(
        # A stack of identities is refused: it is one linear layer.
        hidden_layer_sizes=(9,) if activation == "identity" else (9, 6),
        activation=activation,
        alpha=alpha,
        batch_size=BATCH,
        shuffle=False,
        tol=0.0,
        n_iter_no_change=10_000,
        warm_start=True,
        random_state=3,
        **theirs,
    )
    if task == "numbers":
        data = load_diabetes()
        x, y = data.data[:ROWS] * 20, (data.target[:ROWS] - 150) / 75
        model, target = MLPRegressor(**common), {"type": "regression", "standardize": False, "loss": {"type": "mse", "half": True}}
    else:
        data = load_digits() if task == "binary" else load_iris()
        order = np.random.RandomState(0).permutation(len(data.target))[:ROWS]
        x, y = data.data[order] / data.data.max(), data.target[order]
        x = x[:, x.std(axis=0) > 0]  # constant columns are left out by default
        y = (y >= 5).astype(int) if task == "binary" else y
        model, target = MLPClassifier(**common), {"type": "binary" if task == "binary" else "classification"}
    coefs, intercepts, curve = fitted(model, x, y)
    patch = {
        "target": target,
        "activation": ACTIVATIONS[activation],
        "optimizer": optimizer_spec,
        "regularization": {"l2": alpha / BATCH},
    }
    seen = ours(server, f"sk-{optimizer}-{activation}-{task}", x, y, coefs, intercepts, patch)
    np.testing.assert_allclose(seen, curve, rtol=tolerance, err_msg=json.dumps(patch))
    assert curve[-1] < curve[0], "a run that learns nothing compares nothing"
