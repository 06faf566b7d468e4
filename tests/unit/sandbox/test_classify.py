"""What engines said, word for word, and what it means."""

from __future__ import annotations

import pytest

from prodigy.sandbox.classify import Evidence, Trouble, finished, refusal, unreported
from prodigy.values import ErrorKind

# Captured from Docker 20.10; the Podman texts are those of its API's compatible part.
ID = "132cb9424070a3b9d2772ee13f48a3f343ab27b3fffad9edd3949d4b4e31d65a"
OVERLAY = (
    "failed to mount local volume: mount overlay:/var/lib/docker/volumes/v/_data, flags: 0x6, data: "
    "lowerdir=/no,upperdir=/u,workdir=/w,redirect_dir=on: no such file or directory"
)
NO_SHELL = (
    "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container "
    'process: exec: "sh": executable file not found in $PATH: unknown'
)
REFUSALS = {
    f"Container {ID} is not running": Trouble.ENDED,
    f"No such container: {ID}": Trouble.ENDED,
    f"No such exec instance: {ID}": Trouble.ENDED,
    "can only create exec sessions on running containers: container state improper": Trouble.ENDED,
    'invalid mount config for type "bind": bind source path does not exist: /x': Trouble.NO_PATH,
    OVERLAY: Trouble.NO_OVERLAY,
    f"error while mounting volume '/var/lib/docker/volumes/v/_data': {OVERLAY}": Trouble.NO_OVERLAY,
    "No such image: prodigy-nothing:none": Trouble.NO_IMAGE,
    "nope:x: image not known": Trouble.NO_IMAGE,
    NO_SHELL: Trouble.NO_PROGRAM,
    f'Conflict. The container name "/prodigy-t0" is already in use by container "{ID}". You have to '
    "remove (or rename) that container to be able to reuse that name.": Trouble.NAME_TAKEN,
    "Minimum memory limit allowed is 6MB": Trouble.OTHER,
}


@pytest.mark.parametrize(("text", "trouble"), REFUSALS.items(), ids=range(len(REFUSALS)))
def test_refusals(text: str, trouble: Trouble) -> None:
    assert refusal(text) is trouble


@pytest.mark.parametrize(
    ("code", "oom_kills", "kind", "words"),
    [
        (0, 0, None, ""),
        (0, 3, None, ""),
        (1, 0, ErrorKind.COMMAND, "exit code 1"),
        (126, 0, ErrorKind.COMMAND, "cannot be executed"),
        (127, 0, ErrorKind.COMMAND, "not found"),
        (137, 0, ErrorKind.SIGNAL, "SIGKILL"),
        (137, 1, ErrorKind.OOM, "memory"),
        (2, 1, ErrorKind.OOM, "memory"),
        (143, 0, ErrorKind.SIGNAL, "SIGTERM"),
        (255, 0, ErrorKind.COMMAND, "exit code 255"),
    ],
)
def test_a_reported_end(code: int, oom_kills: int, kind: ErrorKind | None, words: str) -> None:
    judged, message = finished(code, oom_kills)
    assert judged is kind
    assert words in message


RUNC = (
    "OCI runtime exec failed: exec failed: unable to start container process: "
    'chdir to cwd ("/nope") set in config.json failed: no such file or directory: unknown\r\n'
)


@pytest.mark.parametrize(
    ("evidence", "kind", "words"),
    [
        (Evidence(running=None), ErrorKind.SANDBOX, "engine stopped answering"),
        (
            Evidence(running=False, state="exited, exit code 137"),
            ErrorKind.SANDBOX,
            "(exited, exit code 137)",
        ),
        (Evidence(running=False, oom_kills=1), ErrorKind.OOM, "memory"),
        (Evidence(running=True, oom_kills=1, began=True), ErrorKind.OOM, "memory"),
        (Evidence(running=True, said=RUNC), ErrorKind.SANDBOX, "could not start the step: exec failed"),
        (Evidence(running=True, said=RUNC, began=True), ErrorKind.COMMAND, "before it could report"),
        (Evidence(running=True, exit_code=137, began=True), ErrorKind.COMMAND, "(exit code 137)"),
        (Evidence(running=True, exit_code=125), ErrorKind.SANDBOX, "did not start (exit code 125)"),
    ],
)
def test_an_end_without_report_is_never_a_success(evidence: Evidence, kind: ErrorKind, words: str) -> None:
    judged, message = unreported(evidence)
    assert judged is kind
    assert words in message
