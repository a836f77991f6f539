"""Writes which rows the accuracy anchors hold out, zero-based in the order of the bundled files.

The splits are scikit-learn's, so that an accuracy can be set beside scikit-learn's own on the very same rows. It prints
those figures too.

    pip install scikit-learn==1.9.1 && python tests/golden/splits.py
"""

import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")
here = Path(__file__).parent


def quarter(target, seed):
    rows = np.arange(len(target))
    train, held_out = train_test_split(rows, test_size=0.25, random_state=seed, stratify=target)
    return train, sorted(int(row) for row in held_out)


digits = load_digits()
_, held_out = quarter(digits.target, 0)
(here / "digits_test_rows.txt").write_text("\n".join(map(str, held_out)) + "\n")

# A line for each of five quarters.
iris = load_iris()
quarters = [quarter(iris.target, seed) for seed in range(5)]
(here / "iris_quarters.txt").write_text("\n".join(" ".join(map(str, rows)) for _, rows in quarters) + "\n")
for model in (LogisticRegression(), MLPClassifier((64,), max_iter=500, random_state=0)):
    scores = []
    for train, rows in quarters:
        fitted = make_pipeline(StandardScaler(), model).fit(iris.data[train], iris.target[train])
        scores.append(fitted.score(iris.data[rows], iris.target[rows]))
    print(f"iris, {type(model).__name__}: mean {np.mean(scores):.4f} of {np.round(scores, 4)}")
