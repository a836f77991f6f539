"""Files that pyarrow and pandas write become the table that they hold, whatever the format, compression and types."""

import gzip
import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

ROWS = 60


@pytest.fixture(scope="module")
def frame():
    draw = np.random.default_rng(7)
    number = draw.normal(size=ROWS) * 10.0 ** draw.integers(-8, 9, ROWS)
    number[::7] = np.nan
    texts = np.array(['plain words', 'with "quotes"', "two\nlines", "a, comma; and more", "naïve 日本 🙂", "it's"], dtype=object)
    text = [None if i % 11 == 0 else f"{texts[i % 6]} {i}" for i in range(ROWS)]
    return pd.DataFrame(
        {
            "number": number,
            "count": draw.integers(-1000, 1000, ROWS),
            "label": pd.Categorical([None if i % 9 == 0 else ["red", "green", "blue"][i % 3] for i in range(ROWS)]),
            "yes": pd.array([None if i % 13 == 0 else i % 3 == 0 for i in range(ROWS)], dtype="boolean"),
            "text": pd.Series(text, dtype=object),
            "when": pd.to_datetime([None if i % 8 == 0 else 1_700_000_000_000 + i * 86_461_001 for i in range(ROWS)], unit="ms"),
        }
    )


def parquet(frame, **options):
    out = io.BytesIO()
    frame.to_parquet(out, **options)
    return out.getvalue()


def feather(frame, **options):
    out = io.BytesIO()
    pyarrow.feather.write_feather(pa.Table.from_pandas(frame, preserve_index=False), out, **options)
    return out.getvalue()


def lines(frame):
    return frame.to_json(orient="records", lines=True, date_format="iso", double_precision=15).encode()


FORMS = {
    "csv": lambda f: f.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ").encode(),
    "tsv.gz": lambda f: gzip.compress(f.to_csv(index=False, sep="\t", date_format="%Y-%m-%dT%H:%M:%S.%fZ").encode()),
    "semicolon, decimal comma": lambda f: f.to_csv(index=False, sep=";", decimal=",", date_format="%Y-%m-%dT%H:%M:%S.%fZ").encode(),
    "ndjson": lines,
    "ndjson.zst": lambda f: pa.compress(lines(f), codec="zstd", asbytes=True),
    "json": lambda f: f.to_json(orient="records", date_format="iso", double_precision=15).encode(),
    "parquet snappy": lambda f: parquet(f),
    "parquet zstd v2": lambda f: parquet(f, compression="zstd", version="2.6", data_page_version="2.0"),
    "parquet gzip, small groups": lambda f: parquet(f, compression="gzip", row_group_size=7),
    "parquet plain": lambda f: parquet(f, compression=None, use_dictionary=False),
    "arrow": lambda f: feather(f, compression="uncompressed"),
    "arrow lz4, chunks": lambda f: feather(f, compression="lz4", chunksize=9),
    "arrow zstd": lambda f: feather(f, compression="zstd"),
}

KINDS = "number:numeric,count:numeric,label:categorical,yes:boolean,text:text,when:datetime"


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_any_form_is_the_frame_that_was_written(server, frame, form):
    path = f"/v1/datasets?kinds={KINDS}" + ("&decimal=," if "decimal comma" in form else "")
    dataset = server.post_raw(path, FORMS[form](frame))
    assert dataset["rows"] == ROWS
    kinds = {column["name"]: column["kind"] for column in dataset["columns"]}
    assert ",".join(f"{name}:{kind}" for name, kind in kinds.items()) == KINDS
    rows = server.get(f"/v1/datasets/{dataset['id']}/rows?limit={ROWS}")["data"]
    # pandas writes JSON with 15 decimals, everything else exactly.
    exact = "json" not in form
    for i, (row, (_, wanted)) in enumerate(zip(rows, frame.iterrows(), strict=True)):
        for name in ["label", "text"]:
            expected = None if pd.isna(wanted[name]) else wanted[name]
            assert row[name] == expected, f"row {i}, {name}"
        # In a CSV of pandas yes is the word True, which is kept as it stands.
        assert str(row["yes"]).lower() == ("none" if pd.isna(wanted["yes"]) else str(wanted["yes"]).lower()), f"row {i}"
        assert row["count"] == wanted["count"]
        if pd.isna(wanted["number"]):
            assert row["number"] is None
        elif exact:
            assert row["number"] == wanted["number"], f"row {i}"
        else:
            assert row["number"] == pytest.approx(wanted["number"], rel=1e-9, abs=1e-14)
        if pd.isna(wanted["when"]):
            assert row["when"] is None
        else:
            assert pd.Timestamp(row["when"]).tz_localize(None) == wanted["when"], f"row {i}"
    for column in dataset["columns"]:
        assert column["missing"] == int(frame[column["name"]].isna().sum()), column["name"]


def test_every_width_of_a_number_and_every_form_of_a_text_is_read(server):
    values = [1, 2, None, 100]
    numbers = {str(kind): pa.array(values, kind) for kind in
               [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64(), pa.float32(), pa.float64()]}
    numbers["float16"] = pa.array([None if v is None else np.float16(v) for v in values], pa.float16())
    numbers["decimal"] = pa.array(values, pa.int64()).cast(pa.decimal128(20, 0)).cast(pa.decimal128(20, 2))
    texts = {str(kind): pa.array(["a", "b", None, "a"], kind) for kind in [pa.string(), pa.large_string(), pa.string_view()]}
    texts["dictionary"] = pa.array(["a", "b", None, "a"]).dictionary_encode()
    times = {str(kind): pa.array([0, 1, None, 0], pa.int64()).cast(kind) for kind in
             [pa.timestamp("s"), pa.timestamp("ms", "UTC"), pa.timestamp("us"), pa.timestamp("ns", "UTC")]}
    times["date32"] = pa.array([0, 1, None, 0], pa.int32()).cast(pa.date32())
    table = pa.table({**numbers, **texts, **times})
    for write in (pq.write_table, pyarrow.feather.write_feather):
        out = io.BytesIO()
        write(table, out)
        dataset = server.post_raw("/v1/datasets", out.getvalue())
        rows = server.get(f"/v1/datasets/{dataset['id']}/rows?limit=4")["data"]
        for name in numbers:
            assert [row[name] for row in rows] == values, name
        for name in texts:
            assert [row[name] for row in rows] == ["a", "b", None, "a"], name
        for name in times:
            assert [row[name] for row in rows][2] is None and rows[0][name].startswith("1970-01-01"), name


def test_a_file_that_is_no_table_says_which_column(server):
    out = io.BytesIO()
    pq.write_table(pa.table({"x": [1, 2], "deep": [[1], [2, 3]]}), out)
    with pytest.raises(AssertionError) as refused:
        server.post_raw("/v1/datasets", out.getvalue())
    told = str(refused.value)
    assert "422" in told and "deep" in json.dumps(told)
