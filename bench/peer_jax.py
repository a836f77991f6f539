"""JAX on the CPU: one compiled function an epoch, a scan over its batches. Compiling is not counted; a short last batch is dropped.

XLA has no switch for its threads: run.py holds a run of one thread on one core.
"""

import argparse
import time

p = argparse.ArgumentParser()
p.add_argument("workload")
a = p.parse_args()

import jax
import jax.numpy as jnp
import numpy as np

import workloads

w = workloads.WORKLOADS[a.workload]
x, y = workloads.load(a.workload)
n, batch = x.shape[0], w["batch"]
steps = n // batch
x = jax.device_put(x.astype(np.int32) if "vocab" in w else x)
y = jax.device_put(y if w["loss"] == "bce" else y.astype(np.int32))
draw = np.random.default_rng(0)
sizes = [w["d"]] + w["hidden"] + [w["out"]]
weights = [(jnp.asarray(draw.uniform(-1, 1, (i, o)).astype(np.float32) / np.sqrt(i)), jnp.zeros(o)) for i, o in zip(sizes, sizes[1:])]
act = jnp.tanh if w["act"] == "tanh" else jax.nn.relu
each = jax.tree_util.tree_map


def loss_of(weights, x, y):
    for m, b in weights[:-1]:
        x = act(x @ m + b)
    z = x @ weights[-1][0] + weights[-1][1]
    if w["loss"] == "bce":
        z = z[:, 0]
        return jnp.mean(jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z))))
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1))


def zeros(weights):
    none = each(jnp.zeros_like, weights)
    return (none, each(jnp.zeros_like, weights), jnp.zeros(())) if w["opt"] == "adam" else none


def update(weights, state, slopes):
    rate = w["lr"]
    if w["opt"] == "sgd":
        state = each(lambda m, g: 0.9 * m + g, state, slopes)
        return each(lambda p, m: p - rate * m, weights, state), state
    if w["opt"] == "adam":
        m, v, t = state
        t = t + 1
        m = each(lambda m, g: 0.9 * m + 0.1 * g, m, slopes)
        v = each(lambda v, g: 0.999 * v + 0.001 * g * g, v, slopes)
        s = rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        return each(lambda p, m, v: p - s * m / (jnp.sqrt(v) + 1e-8), weights, m, v), (m, v, t)
    state = each(lambda s, g: s + g * g, state, slopes)
    return each(lambda p, s, g: p - rate * g / (jnp.sqrt(s) + 1e-10), weights, state, slopes), state


if "vocab" in w:
    table = jnp.asarray(draw.standard_normal((w["vocab"], w["dim"]), dtype=np.float32))

    def step(carry, rows):
        weights, state, table, squares = carry
        tokens = x[rows]
        of = lambda weights, vectors: loss_of(weights, vectors.reshape(batch, -1), y[rows])
        loss, (slopes, d) = jax.value_and_grad(of, argnums=(0, 1))(weights, table[tokens])
        weights, state = update(weights, state, slopes)
        # A row that is named twice in a batch is not merged first, which differs a little from torch.
        squares = squares.at[tokens].add(d * d)
        table = table.at[tokens].add(-w["lr"] * d / (jnp.sqrt(squares[tokens]) + 1e-10))
        return (weights, state, table, squares), loss

    carry = (weights, zeros(weights), table, jnp.zeros_like(table))
else:

    def step(carry, rows):
        loss, slopes = jax.value_and_grad(loss_of)(carry[0], x[rows], y[rows])
        return update(*carry, slopes), loss

    carry = (weights, zeros(weights))


def epoch(carry, key):
    order = jax.random.permutation(key, n)[: steps * batch].reshape(steps, batch)
    carry, losses = jax.lax.scan(step, carry, order)
    return carry, losses[-1]


compiled = jax.jit(epoch, donate_argnums=0).lower(carry, jax.random.PRNGKey(0)).compile()
keys = jax.block_until_ready([jax.random.PRNGKey(i) for i in range(w["epochs"])])
wall, cpu = time.perf_counter(), time.process_time()
for key in keys:
    carry, loss = compiled(carry, key)
jax.block_until_ready(carry)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
workloads.report(a.workload, wall, cpu, steps * batch * w["epochs"], float(loss), version=jax.__version__)
