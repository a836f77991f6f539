"""Writes the seeds of the fuzz targets that a person would not type: run as `python fuzz/make_seeds.py` with pyarrow, numpy and
safetensors of tests/requirements.txt. Seeds named crash-* were found by fuzzing and are kept as they are."""

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import safetensors.numpy

SEEDS = Path(__file__).parent / "seeds"


def write(target, name, data):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


CSV = 'a,b,when\n1.5,"x, ""y""\nz",2026-01-02\n,NA,\n-3e300,é,2026-01-03T04:05:06Z\n'
write("csv", "plain", b"\0" + CSV.encode())
write("csv", "semicolon", b"\x21" + CSV.replace(",", ";").replace("1.5", "1,5").encode())
write("csv", "latin", b"\x40" + CSV.encode("latin-1"))
write("csv", "utf16", b"\0" + b"\xff\xfe" + CSV.encode("utf-16le"))
write("csv", "options", b"\x1f" + "# said\n1,2\n-,x\n".encode())
write("csv", "ragged", b"\0" + b"a,b\r\n1,2\r\n1,2,3\r\n")
write("csv", "open-quote", b"\0" + b'a,b\n1,"2\n3,4\n')

LINES = '{"x":1.5,"t":"a b","yes":true}\n{"x":null,"t":"\\u00e9","yes":false}\n{"x":-2e5}\n'
write("json", "lines", LINES)
write("json", "array", "[" + ",".join(LINES.strip().split("\n")) + "]")
write("json", "utf16", b"\xff\xfe" + LINES.encode("utf-16le"))
write("json", "deep", '[{"x":[[[{"y":{}}]]]}]')
write("json", "cut", '{"x":1}\n{"x":')

table = pa.table(
    {
        "n": pa.array([1, None, -3, 40], pa.int16()),
        "x": pa.array([1.5, float("nan"), None, float("inf")]),
        "t": pa.array(["a", "b", "a", None]).dictionary_encode(),
        "s": ["é", "", "long " * 4, "NA"],
        "yes": [True, False, None, True],
        "when": pa.array([0, 1, None, 3], pa.timestamp("us", "UTC")),
        "day": pa.array([0, 20000, None, 1], pa.date32()),
        "d": pa.array([None, 1, 2, 3], pa.int64()).cast(pa.decimal128(20, 0)),
    }
)
for name, options in {
    "plain": {"compression": "none", "use_dictionary": False},
    "dictionary": {"compression": "snappy"},
    "zstd": {"compression": "zstd", "data_page_version": "2.0"},
    "gzip": {"compression": "gzip", "data_page_size": 16},
    "lz4": {"compression": "lz4", "column_encoding": None},
    "delta": {"compression": "none", "use_dictionary": False, "column_encoding": {"n": "DELTA_BINARY_PACKED", "s": "DELTA_BYTE_ARRAY"}},
}.items():
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    write("parquet", name, out.getvalue())
nested = io.BytesIO()
pq.write_table(pa.table({"deep": [[1], [2, 3]], "x": [1, 2]}), nested, compression="none")
write("parquet", "nested", nested.getvalue())

for compression in ["uncompressed", "lz4", "zstd"]:
    out = io.BytesIO()
    pa.feather.write_feather(table, out, compression=compression, chunksize=3)
    write("arrow", compression, out.getvalue())

write("unpack", "gzip", gzip.compress(CSV.encode(), mtime=0))
write("unpack", "two-members", gzip.compress(CSV[:20].encode(), mtime=0) + gzip.compress(CSV[20:].encode(), mtime=0))
write("unpack", "zstd", bytes(pa.compress(LINES.encode(), codec="zstd", asbytes=True)))
write("unpack", "cut", gzip.compress(CSV.encode(), mtime=0)[:-9])
write("unpack", "bomb", gzip.compress(b"0" * (1 << 21), mtime=0))

vectors = np.arange(6, dtype=np.float16).reshape(2, 3)
write("safetensors", "lines", safetensors.numpy.save({"vectors": vectors}, metadata={"vocabulary": "a\nb"}))
write("safetensors", "json", safetensors.numpy.save({"vectors": vectors}, metadata={"vocabulary": json.dumps(["a", "b"])}))
weights = {
    "hidden.0.weight": np.ones((2, 2), np.float32),
    "hidden.0.bias": np.zeros(2, np.float32),
    "head.y.weight": np.ones((3, 2), np.float64),
    "head.y.bias": np.zeros(3, np.float32),
}
write("safetensors", "weights", safetensors.numpy.save(weights))

SPECS = {
    "least": {"dataset": "d", "target": "y"},
    "wide": {
        "name": "all", "dataset": "d", "targets": [{"column": "y", "weight": 0.5, "class_weight": "balanced", "hidden_layers": [4],
        "loss": {"type": "cross_entropy", "label_smoothing": 0.1}}, {"column": "price", "standardize": False, "loss": "huber"}],
        "task_sampling": "uniform",
        "inputs": {"include": ["*"], "exclude": ["id"], "numeric": "robust", "missing": 3, "dropout": 0.1,
            "embeddings": {"w": {"dim": 4, "vocabulary": 20, "min_count": 2, "sparse": "lazy", "init": "he_normal"}},
            "columns": {"words": {"as": "text", "embedding": "w", "pooling": "window", "window": 3},
                "town": {"as": "categorical", "embedding": "w"}, "when": {"as": "datetime", "parts": ["time", "hour"]},
                "x": {"as": "numeric", "scale": "quantile", "missing": "median", "indicator": True}, "flag": "boolean"}},
        "split": {"validation": 0.2, "test": 0.1, "method": "stratified", "duplicates": "apart"},
        "hidden_layers": [{"units": 8, "activation": {"type": "leaky_relu", "alpha": 0.1}, "dropout": 0.2, "normalization": "batch"}, 4],
        "init": {"weights": "glorot_uniform", "bias": 0.1, "output_bias": "prior"},
        "optimizer": {"type": "sgd", "learning_rate": 0.1, "momentum": {"initial": 0.5, "final": 0.9, "epochs": 5}, "nesterov": True},
        "schedule": {"type": "one_cycle", "steps": 100, "max_learning_rate": 0.5}, "batch_size": 8, "epochs": 5, "seed": 7,
        "regularization": {"l1": 0, "l2": 1e-4, "activation_sparsity": {"type": "kl", "target": 0.05, "weight": 0.1}, "max_norm": 3},
        "gradient_clipping": {"type": "norm", "value": 5}, "checkpoints": {"every": {"steps": 3}, "keep": 2},
        "early_stopping": {"monitor": "val_loss", "patience": 3}, "checks": ["gradient"], "on_failed_check": "stop",
        "limits": {"max_seconds": 60, "target": {"metric": "val_loss", "value": 0.1}}, "tags": {"a": "b"}, "priority": 3},
    "batches": {"dataset": "d", "target": "price", "batches": [[0, 5], [1]], "precision": "f64", "shuffle": False,
        "warm_start": {"job": "job_x", "checkpoint": "best", "state": "full"}, "optimizer": "lbfgs"},
    "group": {"dataset": "d", "target": "flag", "split": {"group": "group", "test": 0.2}, "sample_weight": "n"},
    "column": {"dataset": "d", "target": {"columns": ["x", "n"]}, "split": {"column": "part"}, "schedule": "cosine"},
    "folds": {"dataset": "d", "target": "y", "split": {"k_folds": 4}},
    "other": {"dataset": "d", "target": "y", "split": {"validation": {"dataset": "e"}}, "early_stopping": False},
}
for name, spec in SPECS.items():
    write("spec", name, json.dumps(spec))

ROW = {"id": "u1", "x": 1.5, "n": 3, "flag": "yes", "colour": "red", "town": "t1", "words": "a cat", "when": "2026-01-02", "part": "one",
       "group": "g1"}
write("predictions", "rows", b"\0" + json.dumps({"rows": [ROW, {**ROW, "x": None, "colour": "odd"}]}).encode())
write("predictions", "columns", b"\0" + json.dumps({"columns": {name: [value] for name, value in ROW.items()}}).encode())
write("predictions", "dataset", b"\0" + b'{"dataset":"rows"}')
write("predictions", "csv", b"\1" + (",".join(ROW) + "\n" + ",".join(str(value) for value in ROW.values()) + "\n1,2\n").encode())
write("predictions", "ndjson", b"\2" + (json.dumps(ROW) + "\n" + json.dumps({**ROW, "when": "soon"}) + "\n{\n").encode())
