"""Coefficients of the polynomials in src/num/elementary.rs: minimax fits (weighted least squares, reweighted as Lawson does), rounded to
f32 one after the other, each time fitting the rest again. Needs numpy and mpmath. Prints Rust constants, highest power first."""
import numpy as np
from mpmath import mp, mpf, exp, expm1, tanh, log1p, erf, erfc, log, sqrt

mp.prec = 120

def fit(points, target, weight, powers):
    """target(x) ~ sum c_p x^p with the largest |weight * error| smallest; returns f32 coefficients by power."""
    x = np.array([float(p) for p in points]); y = np.array([float(target(mpf(p))) for p in x]); w = np.array([float(weight(mpf(p))) for p in x])
    left, fixed = list(powers), {}
    while left:
        rest = y - sum((c * x**p for p, c in fixed.items()), np.zeros_like(x))
        lawson = np.ones_like(x)
        best, best_error = None, np.inf
        for _ in range(300):
            root = np.sqrt(lawson) * w
            A = np.stack([x**p for p in left], 1)
            scale = np.abs(A).max(0)
            c = np.linalg.lstsq((A / scale) * root[:, None], rest * root, rcond=None)[0] / scale
            error = np.abs(A @ c - rest) * w
            if error.max() < best_error: best, best_error = c, error.max()
            lawson = lawson * (error + 1e-30); lawson /= lawson.sum()
        fixed[left[0]] = float(np.float32(best[0])); left = left[1:]
    final = np.abs(sum(c * x**p for p, c in fixed.items()) - y) * w
    return fixed, final.max()

def show(name, fixed, error):
    print(f"// {name}: largest relative error {error:.2e} = 2^{np.log2(error):.1f}")
    print("[" + ", ".join(f"{np.float32(c)!s}" for p, c in sorted(fixed.items(), reverse=True)) + "]")

h = float(log(2) / 2) * 1.0001
cheb = lambda a, b, n=400: (a + b) / 2 + (b - a) / 2 * np.cos((np.arange(n) + 0.5) * np.pi / n)
nz = lambda v: v[np.abs(v) > 1e-4]

show("exp: Q in expm1(r) = r + r^2 Q(r)", *fit(nz(cheb(-h, h)), lambda r: (expm1(r) - r) / r**2, lambda r: abs(r**2 / expm1(r)), range(0, 6)))
top = 0.6
show("tanh: P in tanh x = x + x^3 P(x^2), in x^2", *fit(nz(cheb(0, top**2)), lambda s: (tanh(sqrt(s)) - sqrt(s)) / sqrt(s)**3, lambda s: sqrt(s)**3 / tanh(sqrt(s)), range(0, 5)))
a, b = float(sqrt(mpf(1)/2)) - 1 - 1e-3, float(sqrt(mpf(2))) - 1 + 1e-3
show("erf: R in erf x = x + x R(x^2)", *fit(nz(cheb(0, 0.93**2)), lambda s: erf(sqrt(s)) / sqrt(s) - 1, lambda s: sqrt(s) / erf(sqrt(s)), range(0, 6)))
show("erf: S in erf x = 1 - exp(-x - x S(x))", *fit(cheb(0.92, 4.0), lambda t: -log(erfc(t)) / t - 1, lambda t: t * erfc(t) / erf(t), range(0, 6)))
show("ln: P in ln(1+f) = f - f^2/2 + f^3 P(f)", *fit(nz(cheb(a, b)), lambda f: (log1p(f) - f + f * f / 2) / f**3, lambda f: abs(f**3 / log1p(f)), range(0, 9)))
