"""A running server for the tests, and a client of a few lines. The binary is named by the variable TRAINYARD."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

BINARY = Path(os.environ.get("TRAINYARD", "target/debug/trainyard")).resolve()


class Server:
    def __init__(self, folder):
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--data-dir", folder, "--workers", "1", "--log", "warn"],
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline().strip()
        assert line.startswith("listening on "), line
        self.url = line.removeprefix("listening on ")

    def raw(self, method, path, body=None, content_type="application/json"):
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": content_type} if data is not None else {}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def get(self, path):
        return json.loads(self.raw("GET", path))

    def post(self, path, body):
        return json.loads(self.raw("POST", path, body))

    def post_raw(self, path, data):
        return json.loads(self.raw("POST", path, data, "application/octet-stream"))

    def train(self, spec):
        job = self.post("/v1/jobs?wait=60", spec)
        while job["finished_at"] is None:
            job = self.get(f"/v1/jobs/{job['id']}?wait=60")
        assert job["status"] == "succeeded", json.dumps(job, indent=1)
        return job

    def stop(self):
        self.process.terminate()
        assert self.process.wait(30) == 0


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("data") / "data")
    yield server
    server.stop()
