"""Writes scores.json: scikit-learn's measures on random and nasty predictions, for tests/numerics/scores.rs.

    .venv/bin/python tests/golden/scores.py        (numpy 2.4.6, scikit-learn 1.9.1)

A value that scikit-learn gives by convention where it divides nothing by nothing is null here: ours says undefined there.
"""

import json
import pathlib
import warnings

import numpy as np
from sklearn import metrics as m
from sklearn.calibration import calibration_curve

warnings.simplefilter("ignore")
rng = np.random.default_rng(7)


def number(value, defined=True):
    return float(value) if defined and np.isfinite(value) else None


def classes(name, truth, p):
    truth, p = np.asarray(truth), np.asarray(p, dtype=float)
    k = p.shape[1]
    labels = list(range(k))
    predicted = p.argmax(axis=1)
    binary = [(truth == c).astype(int) for c in labels]
    both = [0 < b.sum() < len(b) for b in binary]
    per = lambda f: f(truth, predicted, labels=labels, average=None, zero_division=np.nan)
    mean = lambda f, how: number(f(truth, predicted, average=how, zero_division=0))
    confidence, right = (p[:, 1], binary[1]) if k == 2 else (p.max(axis=1), (predicted == truth).astype(int))
    observed, said = calibration_curve(right, confidence, n_bins=10)
    bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], confidence)
    counts = np.bincount(bins, minlength=10)
    counts = counts[counts > 0]
    one_hot = np.eye(k)[truth]
    brier = m.brier_score_loss(binary[1], p[:, 1]) if k == 2 else np.mean(((p - one_hot) ** 2).sum(axis=1))
    one = len(set(truth)) == 1
    return {
        "name": name,
        "truth": truth.tolist(),
        "probabilities": p.ravel().tolist(),
        "classes": k,
        "log_loss": number(m.log_loss(truth, p, labels=labels)),
        "brier": number(brier),
        "accuracy": number(m.accuracy_score(truth, predicted)),
        "balanced_accuracy": number(m.balanced_accuracy_score(truth, predicted)),
        "precision": [number(x) for x in per(m.precision_score)],
        "recall": [number(x) for x in per(m.recall_score)],
        "f1": [number(x) for x in per(m.f1_score)],
        "macro": [mean(f, "macro") for f in (m.precision_score, m.recall_score, m.f1_score)],
        "weighted": [mean(f, "weighted") for f in (m.precision_score, m.recall_score, m.f1_score)],
        "cohen_kappa": number(m.cohen_kappa_score(truth, predicted)),
        "matthews": number(m.matthews_corrcoef(truth, predicted), not one),
        "top_k": [number(m.top_k_accuracy_score(truth, p if k > 2 else p[:, 1], k=j, labels=labels)) for j in range(2, k)],
        "confusion": m.confusion_matrix(truth, predicted, labels=labels).tolist(),
        "roc_auc": [number(m.roc_auc_score(b, p[:, c]), ok) if ok else None for c, (b, ok) in enumerate(zip(binary, both))],
        "average_precision": [number(m.average_precision_score(b, p[:, c]), b.any()) for c, b in enumerate(binary)],
        "calibration": {"observed": observed.tolist(), "said": said.tolist(), "rows": counts.tolist()},
        "ece": number((counts * np.abs(observed - said)).sum() / counts.sum()),
        "thresholds": [
            [float(t)] + m.confusion_matrix(binary[1], p[:, 1] > t, labels=[0, 1]).ravel().tolist() for t in (0.05, 0.5, 0.9)
        ],
        "roc": [list(x) for x in zip(*m.roc_curve(binary[1], p[:, 1], drop_intermediate=False)[:2])] if both[1] else None,
    }


def regression(name, truth, predicted):
    truth, predicted = np.asarray(truth, dtype=float), np.asarray(predicted, dtype=float)
    varied = len(set(truth)) > 1
    return {
        "name": name,
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "mae": number(m.mean_absolute_error(truth, predicted)),
        "mse": number(m.mean_squared_error(truth, predicted)),
        "rmse": number(m.root_mean_squared_error(truth, predicted)),
        "median_absolute_error": number(m.median_absolute_error(truth, predicted)),
        "max_error": number(m.max_error(truth, predicted)),
        "mape": number(m.mean_absolute_percentage_error(truth, predicted), not (truth == 0).any()),
        "r2": number(m.r2_score(truth, predicted), varied),
        "residual_quantiles": np.quantile(truth - predicted, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist(),
    }


def probabilities(n, k, sharp=1.0):
    z = rng.normal(size=(n, k)) * sharp
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def ties(n, k, levels=4):
    p = rng.integers(0, levels, size=(n, k)) + 0.25
    return p / p.sum(axis=1, keepdims=True)


constant = np.tile([0.2, 0.5, 0.3], (20, 1))
sure = np.eye(3)[rng.integers(0, 3, 25)]
classification = [
    classes("random, two classes", rng.integers(0, 2, 40), probabilities(40, 2)),
    classes("random, five classes", rng.integers(0, 5, 60), probabilities(60, 5, 2.0)),
    classes("ties, two classes", rng.integers(0, 2, 40), ties(40, 2)),
    classes("ties, four classes", rng.integers(0, 4, 50), ties(50, 4)),
    classes("a class without a row", rng.choice([0, 2], 30), probabilities(30, 3)),
    classes("a class neither there nor predicted", rng.choice([0, 1], 30), probabilities(30, 2) @ np.array([[1, 0, 0], [0, 1, 0]])),
    classes("constant predictions", rng.integers(0, 3, 20), constant),
    classes("one class only", np.ones(15, dtype=int), probabilities(15, 3)),
    classes("one class, always found", np.ones(10, dtype=int), np.tile([0.1, 0.9], (10, 1))),
    classes("sure, and often wrong", rng.integers(0, 3, 25), sure),
    classes("one row", [1], [[0.6, 0.4]]),
    classes("rare class", np.r_[np.zeros(57, dtype=int), np.ones(3, dtype=int)], probabilities(60, 2)),
]
y = rng.normal(size=50) * 3 + 10
numbers = [
    regression("random", y, y + rng.normal(size=50)),
    regression("constant predictions", y, np.full(50, 10.0)),
    regression("constant truth", np.full(10, 4.0), rng.normal(size=10)),
    regression("zeros among the truth", rng.integers(-1, 2, 30), rng.normal(size=30)),
    regression("far from zero", y + 1e6, y + 1e6 + rng.normal(size=50)),
    regression("one row", [3.0], [2.5]),
    regression("exact", y, y),
]
out = pathlib.Path(__file__).with_name("scores.json")
out.write_text(json.dumps({"classification": classification, "regression": numbers}) + "\n")
