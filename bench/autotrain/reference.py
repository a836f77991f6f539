"""What scikit-learn's MLP reaches on the bundled data sets after a random search of 40 trials: the mark for autotrain.

For each data set a quarter of the rows is held out (stratified where there are classes). On the others RandomizedSearchCV looks for
the best of 40 draws by five-fold cross-validation and trains it anew; the rows held out judge it once. Written to reference.json:
the rows held out, the measure with its standard error, and the seconds (of one processor: the search runs in one process). Run from the tree: python bench/autotrain/reference.py [NAME…]
"""

import json
import sys
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parent.parent / "src" / "data" / "samples"
TARGETS = {"iris": "species", "wine": "cultivar", "breast-cancer": "diagnosis", "digits": "digit", "diabetes": "progression"}
TRIALS, FOLDS = 40, 5


def load(name):
    """The inputs as numbers and the target, in the order of the file."""
    import numpy as np

    lines = [line.split(",") for line in (SAMPLES / f"{name}.csv").read_text().splitlines() if line]
    names, rows = lines[0], lines[1:]
    at = names.index(TARGETS[name])
    x = np.array([[float(value) for i, value in enumerate(row) if i != at] for row in rows])
    y = np.array([row[at] for row in rows])
    return x, y.astype(float) if name == "diabetes" else y


def search(name):
    # Here, so that compare.py needs none of it.
    import numpy as np
    from scipy.stats import loguniform
    from sklearn.model_selection import RandomizedSearchCV, train_test_split
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = load(name)
    regression = name == "diabetes"
    rows = np.arange(len(y))
    train, test = train_test_split(rows, test_size=0.25, random_state=0, stratify=None if regression else y)
    model = (MLPRegressor if regression else MLPClassifier)(max_iter=400, random_state=0)
    kind = "mlpregressor" if regression else "mlpclassifier"
    space = {
        "hidden_layer_sizes": [(16,), (32,), (64,), (128,), (256,), (64, 64), (128, 64)],
        "activation": ["relu", "tanh"],
        "alpha": loguniform(1e-6, 10.0),
        "learning_rate_init": loguniform(3e-4, 3e-2),
        "batch_size": [16, 32, 64, 128],
        "early_stopping": [False, True],
    }
    found = RandomizedSearchCV(
        make_pipeline(StandardScaler(), model),
        {f"{kind}__{field}": values for field, values in space.items()},
        n_iter=TRIALS,
        cv=FOLDS,
        random_state=0,
        n_jobs=1,
    )
    began, cpu = time.perf_counter(), time.process_time()
    found.fit(x[train], y[train])
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    predicted = found.predict(x[test])
    n = len(test)
    if regression:
        # The coefficient of determination; its error by resampling the rows.
        def r2(rows):
            truth = y[test][rows]
            return 1 - np.sum((truth - predicted[rows]) ** 2) / np.sum((truth - truth.mean()) ** 2)

        draws = np.random.default_rng(0).integers(0, n, (2000, n))
        measure, error = r2(np.arange(n)), float(np.std([r2(draw) for draw in draws]))
    else:
        right = int(np.sum(predicted == y[test]))
        measure = right / n
        # One right and one wrong row are added: none wrong in forty is no proof that none ever is.
        share = (right + 1) / (n + 2)
        error = float(np.sqrt(share * (1 - share) / (n + 2)))
    chosen = {key.split("__")[1]: value for key, value in found.best_params_.items()}
    return {
        "measure": "r2" if regression else "accuracy",
        "value": float(measure),
        "standard_error": error,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "chosen": json.loads(json.dumps(chosen, default=float)),
        "test_rows": [int(row) for row in sorted(test)],
    }


def main():
    import numpy as np
    import sklearn

    warnings.filterwarnings("ignore")
    path = HERE / "reference.json"
    all_found = json.loads(path.read_text()) if path.exists() else {}
    all_found["versions"] = {"scikit-learn": sklearn.__version__, "numpy": np.__version__, "trials": TRIALS, "folds": FOLDS}
    for name in sys.argv[1:] or TARGETS:
        all_found[name] = search(name)
        shown = {key: value for key, value in all_found[name].items() if key != "test_rows"}
        print(name, json.dumps(shown), flush=True)
        path.write_text(json.dumps(all_found, indent=1) + "\n")


if __name__ == "__main__":
    main()
