"""Replaces a Kubernetes cluster: pods are started as processes."""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.serving import serving

PATIENCE = 240  # seconds, on a machine that is busy


class Pod:
    """A job of the cluster, its only pod, and the process that replaces the pod."""

    def __init__(self, manifest: dict[str, Any], machine: Path, variables: dict[str, str]) -> None:
        self.manifest = manifest
        self.machine = machine
        self.spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
        (self.container,) = self.spec["containers"]
        given = {each["name"]: each["value"] for each in self.container["env"] if "value" in each}
        self._log = machine / f"{manifest['metadata']['name']}.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                self.container["args"],
                cwd=machine,
                env=given | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def described(self) -> dict[str, Any]:
        """The job, with its status."""
        code = self.process.poll()
        status = "active" if code is None else "failed" if code else "succeeded"
        return {**self.manifest, "status": {status: 1}}

    def printed(self) -> str:
        """Return everything that it prints."""
        self.process.wait(PATIENCE)
        return self._log.read_text()


class Cluster:
    """Several machines, which run pods in turn.

    Args:
        machines: the working folders of pods.
        variables: the environment that secrets and configuration maps give to all of them.
    """

    def __init__(self, machines: Sequence[Path], variables: Mapping[str, str]) -> None:
        self.pods: dict[str, Pod] = {}
        turns = itertools.cycle(machines)
        lock = threading.Lock()
        cluster = self

        class Api(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                manifest = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    pod = Pod(manifest, next(turns), dict(variables))
                    cluster.pods[manifest["metadata"]["name"]] = pod
                self._answer(pod.described(), status=201)

            def do_GET(self) -> None:
                name = self.path.removesuffix("/status").rpartition("/")[2]
                if name in cluster.pods:
                    self._answer(cluster.pods[name].described())
                else:
                    self._answer({"items": []})

            def do_DELETE(self) -> None:
                cluster.pods[self.path.rpartition("/")[2]].process.terminate()
                self._answer({"kind": "Status", "status": "Success"})

            def _answer(self, document: dict[str, Any], status: int = 200) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Api)

    def write_access(self, path: Path) -> None:
        """Write the configuration of a client of the cluster."""
        server = f"http://127.0.0.1:{self.server.server_port}"
        name = {"name": "stand-in"}
        access = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{**name, "cluster": {"server": server}}],
            "users": [{**name, "user": {}}],
            "contexts": [{**name, "context": {"cluster": name["name"], "user": name["name"]}}],
            "current-context": name["name"],
        }
        path.write_text(yaml.safe_dump(access))


@contextmanager
def running(machines: Sequence[Path], variables: Mapping[str, str]) -> Iterator[Cluster]:
    """Run a cluster; all of its pods end with it."""
    cluster = Cluster(machines, variables)
    try:
        with serving(cluster.server):
            yield cluster
    finally:
        for pod in cluster.pods.values():
            pod.process.kill()
            pod.process.wait()
