"""Writes digits_test_rows.txt: the held-out rows of the digits anchor, zero-based in the order of the bundled file.

The split is scikit-learn's, so that the accuracy can be set beside scikit-learn's own on the very same rows:

    pip install scikit-learn==1.9.1 && python tests/golden/digits_split.py
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

digits = load_digits()
rows = np.arange(len(digits.target))
_, held_out = train_test_split(rows, test_size=0.25, random_state=0, stratify=digits.target)
target = Path(__file__).with_name("digits_test_rows.txt")
target.write_text("\n".join(str(row) for row in sorted(held_out)) + "\n")
print(f"{len(held_out)} of {len(rows)} rows -> {target}")
