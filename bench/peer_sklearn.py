"""scikit-learn's MLPClassifier, W1 to W3. Its threads are those of its BLAS, which run.py sets."""

import sys
import time
import warnings

import sklearn
from sklearn.neural_network import MLPClassifier

import workloads

name = sys.argv[1]
w = workloads.WORKLOADS[name]
x, y = workloads.load(name)
warnings.filterwarnings("ignore")
same = dict(hidden_layer_sizes=w["hidden"], activation=w["act"], batch_size=w["batch"], solver=w["opt"], alpha=0.0, learning_rate_init=w["lr"],
            momentum=0.9, nesterovs_momentum=False, tol=0.0, n_iter_no_change=10**9, random_state=0)
MLPClassifier(max_iter=1, **same).fit(x[: w["batch"]], y[: w["batch"]])
model = MLPClassifier(max_iter=w["epochs"], **same)
wall, cpu = time.perf_counter(), time.process_time()
model.fit(x, y)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
workloads.report(name, wall, cpu, w["n"] * w["epochs"], float(model.loss_), version=sklearn.__version__)
