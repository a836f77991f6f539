"""The weights that a client downloads are the model: a forward pass in numpy gives the server's own predictions."""

import numpy as np
import safetensors.numpy


def test_numpy_repeats_the_predictions_from_the_downloaded_weights(server):
    server.post("/v1/samples/iris", {})
    job = server.train(
        {
            "dataset": "iris",
            "target": "species",
            "inputs": {"numeric": "none"},
            "hidden_layers": [{"units": 12, "activation": "tanh"}, {"units": 7, "activation": "sigmoid"}],
            "optimizer": {"type": "adam", "learning_rate": 0.01},
            "epochs": 30,
            "precision": "f64",
            "seed": 4,
        }
    )
    weights = safetensors.numpy.load(server.raw("GET", f"/v1/jobs/{job['id']}/checkpoints/best/weights"))
    assert weights["hidden.0.weight"].shape == (12, 4)
    assert weights["head.species.weight"].shape == (3, 7)

    rows = [page["data"][0] for page in (server.get(f"/v1/datasets/iris/rows?offset={r}&limit=1") for r in (0, 75, 149))]
    inputs = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    x = np.array([[row[name] for name in inputs] for row in rows], dtype=np.float64)
    h = np.tanh(x @ weights["hidden.0.weight"].T + weights["hidden.0.bias"])
    h = 1 / (1 + np.exp(-(h @ weights["hidden.1.weight"].T + weights["hidden.1.bias"])))
    z = h @ weights["head.species.weight"].T + weights["head.species.bias"]
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)

    answer = server.post(f"/v1/jobs/{job['id']}/predictions", {"rows": rows})
    for row, prediction in enumerate(answer["predictions"]):
        probabilities = prediction["species"]["probabilities"]
        ours = [probabilities[label] for label in sorted(probabilities)]
        np.testing.assert_allclose(ours, p[row], rtol=1e-12, atol=1e-15)


def test_word_vectors_saved_by_the_safetensors_package_start_an_embedding_table(server):
    words = ["cat", "dog", "car"]
    vectors = np.array([[0.5, -1.0, 2.0], [0.25, -0.5, 1.0], [-3.0, 0.75, 0.125]], dtype=np.float16)
    file = safetensors.numpy.save({"vectors": vectors}, metadata={"vocabulary": "\n".join(words)})
    uploaded = server.post_raw("/v1/weights", file)
    rows = "word,alive\n" + "".join(f"{word},{'no' if word == 'car' else 'yes'}\n" for word in words * 10)
    server.post_raw("/v1/datasets?name=things", rows.encode())
    job = server.train(
        {
            "dataset": "things",
            "target": "alive",
            "inputs": {
                "embeddings": {"words": {"vectors": uploaded["id"]}},
                "columns": {"word": {"as": "categorical", "embedding": "words"}},
            },
            "hidden_layers": [],
            "optimizer": {"type": "sgd", "learning_rate": 1e-30},
            "epochs": 1,
        }
    )
    weights = safetensors.numpy.load(server.raw("GET", f"/v1/jobs/{job['id']}/checkpoints/last/weights"))
    np.testing.assert_array_equal(weights["embedding.words.weight"][2:], vectors.astype(np.float32))
