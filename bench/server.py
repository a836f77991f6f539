"""Starts the release server on a data directory of its own and speaks its API; its CPU time is read from outside."""

import json
import os
import pathlib
import subprocess
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
BINARY = pathlib.Path(os.environ.get("TRAINYARD", HERE.parent / "target/release/trainyard"))


class Server:
    def __init__(self, directory, workers=1):
        command = [BINARY, "serve", "--listen", "127.0.0.1:0", "--data-dir", directory, "--workers", str(workers), "--log", "warn"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def call(self, method, path, body=None, kind="application/json"):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": kind} if data else {}, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.read().decode()}") from error

    def train(self, spec):
        """Posts a job and waits for its end."""
        job = self.call("POST", "/v1/jobs?wait=30", spec)
        while job["status"] not in ("succeeded", "failed", "cancelled"):
            job = self.call("GET", f"/v1/jobs/{job['id']}?wait=30")
        if job["status"] != "succeeded":
            raise SystemExit(json.dumps(job, indent=1))
        return job

    def cpu(self):
        """Seconds of CPU of the whole process so far, ended threads included."""
        # The clock of another process: see clock_getcpuclockid(3).
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def memory(self, what="VmHWM"):
        """Peak resident memory in bytes."""
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith(what + ":"):
                return int(line.split()[1]) * 1024
        return 0
