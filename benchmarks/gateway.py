"""What the gateway costs: an agent's start, and the first byte of an answer."""

from __future__ import annotations

import dataclasses
import statistics
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.finding import Finding
from benchmarks.rounds import Rounds, spread, timed
from prodigy.sandbox.docker.backend import DockerBackend
from prodigy.sandbox.docker.engine import connect
from prodigy.sandbox.egress import Egress, Model
from prodigy.sandbox.images import Images
from prodigy.sandbox.protocol import Call, SandboxSpec
from prodigy.values import MountSpec
from tests.support.messages_api import stub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prodigy.sandbox.protocol import Sandbox

ROUNDS = 9
AGENTS = 10
MOST_SECONDS = 0.5
MOST_MILLISECONDS = 5.0
REQUESTS = 200
_ASK = """\
import http.client, json, os, sys, time, urllib.parse
url = urllib.parse.urlsplit(sys.argv[1])
body = json.dumps({"stream": True, "messages": []})
times = []
connection = http.client.HTTPConnection(url.hostname, url.port)
for _ in range(int(sys.argv[2])):
    started = time.perf_counter()
    connection.request("POST", "/v1/messages", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read(1)
    times.append(time.perf_counter() - started)
    answer.read()
print(json.dumps(times))
"""


def measure(place: Path) -> Iterator[Finding]:
    """Open sandboxes with and without a way to the gateway; ask a stub of the model, and through it."""
    engine = connect()
    images = Images(engine, place / "images")
    backend = DockerBackend(engine, images)
    work = place / "work"
    work.mkdir(mode=0o777)
    work.chmod(0o777)
    plain = SandboxSpec(
        name="prodigy-bench",
        mount=MountSpec("bind", work),
        labels={"prodigy.home": str(place), "prodigy.session": "session-bench"},
        image=images.resolve(None).id,
    )
    with stub() as model:
        linked = dataclasses.replace(plain, egress=Egress((), Model(model.url, "api_key", "not-a-key")))
        try:
            yield _started(backend, plain, linked)
            yield _together(backend, linked)
            port = model.server_address[1]
            open_ = dataclasses.replace(plain, network="bridge")
            yield _answered(backend, open_, linked, port)
        finally:
            backend.close()


def _started(backend: DockerBackend, plain: SandboxSpec, linked: SandboxSpec) -> Finding:
    def start(spec: SandboxSpec) -> None:
        with_ = backend.open(spec)
        with_.run(Call(("true",)))
        with_.close()

    rounds = Rounds.of(lambda: start(linked), lambda: start(plain), ROUNDS)
    more = statistics.median(a - b for a, b in zip(rounds.ours, rounds.baseline, strict=True))
    what = "a sandbox with a way to the gateway, opened and closed, against one without a network"
    return Finding(what, spread(rounds.ours), spread(rounds.baseline), more, unit="s more", goal=MOST_SECONDS)


def _together(backend: DockerBackend, linked: SandboxSpec) -> Finding:
    def one(_: int) -> None:
        sandbox = backend.open(linked)
        try:
            done = sandbox.run(Call(("python3", "-c", _ASK, sandbox_url(sandbox), "20")))
            if done.exit_code:
                raise SystemExit(done.stderr_tail.decode())
        finally:
            sandbox.close()

    with ThreadPoolExecutor(AGENTS) as pool:
        seconds = timed(lambda: list(pool.map(one, range(AGENTS))))
    what = f"{AGENTS} agents at once behind one gateway, each with 20 answers of the model"
    return Finding(what, f"{seconds:.2f} s", "", seconds, unit="s")


def _answered(backend: DockerBackend, open_: SandboxSpec, linked: SandboxSpec, port: int) -> Finding:
    import json

    direct, behind = backend.open(open_), backend.open(linked)
    try:
        route = direct.run(
            Call(("sh", "-c", "awk '$2 == \"00000000\" {print $3}' /proc/net/route"))
        ).stdout_tail
        address = ".".join(str(byte) for byte in bytes.fromhex(route.decode().strip())[::-1])
        asked = {
            direct: f"http://{address}:{port}",
            behind: sandbox_url(behind),
        }
        found = {
            box: json.loads(box.run(Call(("python3", "-c", _ASK, url, str(REQUESTS)))).stdout_tail)
            for box, url in asked.items()
        }
    finally:
        direct.close()
        behind.close()
    more = 1000 * (statistics.median(found[behind]) - statistics.median(found[direct]))
    what = f"first byte of an answer through the gateway, against the model itself ({REQUESTS} requests)"
    return Finding(
        what, spread(found[behind]), spread(found[direct]), more, unit="ms more", goal=MOST_MILLISECONDS
    )


def sandbox_url(sandbox: Sandbox) -> str:
    """The gateway's address, as a sandbox is told."""
    return sandbox.run(Call(("sh", "-c", "echo $ANTHROPIC_BASE_URL"))).stdout_tail.decode().strip()
