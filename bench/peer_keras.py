"""Keras on TensorFlow, `model.fit` with its defaults, W1 to W3. Optional: `pip install tensorflow-cpu` into a venv of its own."""

import argparse
import os
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
p = argparse.ArgumentParser()
p.add_argument("workload")
p.add_argument("--threads", type=int, default=1)
a = p.parse_args()

import keras
import tensorflow as tf

import workloads

tf.config.threading.set_intra_op_parallelism_threads(a.threads)
tf.config.threading.set_inter_op_parallelism_threads(a.threads)
w = workloads.WORKLOADS[a.workload]
x, y = workloads.load(a.workload)
keras.utils.set_random_seed(0)
hidden = [keras.layers.Dense(units, activation=w["act"]) for units in w["hidden"]]
model = keras.Sequential([keras.Input((w["d"],)), *hidden, keras.layers.Dense(w["out"])])
optimizer = keras.optimizers.SGD(w["lr"], momentum=0.9) if w["opt"] == "sgd" else keras.optimizers.Adam(w["lr"])
model.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
warm = w["batch"] + len(x) % w["batch"]
model.fit(x[:warm], y[:warm], batch_size=w["batch"], epochs=1, verbose=0)
wall, cpu = time.perf_counter(), time.process_time()
history = model.fit(x, y, batch_size=w["batch"], epochs=w["epochs"], verbose=0)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
workloads.report(a.workload, wall, cpu, w["n"] * w["epochs"], history.history["loss"][-1], version=keras.__version__)
