"""Writes the sample files beside this script from scikit-learn's copies.

    python -m venv .venv && .venv/bin/pip install scikit-learn==1.9.1 && .venv/bin/python make_samples.py

scikit-learn keeps the rows in the order of the originals; nothing is shuffled, scaled or left out.
"""

import csv
import pathlib

from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

HERE = pathlib.Path(__file__).parent


def write(name, header, rows):
    with open(HERE / name, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


iris = load_iris()
write(
    "iris.csv",
    ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"],
    ([*map(float, x), iris.target_names[y]] for x, y in zip(iris.data, iris.target)),
)

digits = load_digits()
write(
    "digits.csv",
    [f"pixel_{row}_{column}" for row in range(8) for column in range(8)] + ["digit"],
    ([*map(int, x), int(y)] for x, y in zip(digits.data, digits.target)),
)

wine = load_wine()
write(
    "wine.csv",
    [name.replace("/", "_per_") for name in wine.feature_names] + ["cultivar"],
    ([*map(float, x), f"cultivar {y + 1}"] for x, y in zip(wine.data, wine.target)),
)

cancer = load_breast_cancer()
write(
    "breast-cancer.csv",
    [name.replace(" ", "_") for name in cancer.feature_names] + ["diagnosis"],
    ([*map(float, x), cancer.target_names[y]] for x, y in zip(cancer.data, cancer.target)),
)

diabetes = load_diabetes(scaled=False)
names = ["age", "sex", "bmi", "blood_pressure", "tc", "ldl", "hdl", "tch", "ltg", "glucose"]
write(
    "diabetes.csv",
    [*names, "progression"],
    ([*map(float, x), float(y)] for x, y in zip(diabetes.data, diabetes.target)),
)
