"""A container with exactly the settings prodigy gives its own, made without prodigy."""

from __future__ import annotations

import secrets
import subprocess
from typing import TYPE_CHECKING, Any

from prodigy.sandbox.docker.engine import connect
from prodigy.sandbox.docker.options import Identity, container
from prodigy.sandbox.images import Images
from prodigy.sandbox.protocol import SandboxSpec
from prodigy.values import MountSpec

if TYPE_CHECKING:
    from pathlib import Path


class Bare:
    """Runs ``true`` in hardened containers, by the command line or by the Engine API."""

    def __init__(self, cache: Path) -> None:
        self._engine = connect()
        self._image = Images(self._engine, cache).resolve(None).id
        self.uid, self.gid = self._engine.owner

    def by_command_line(self, mounted: Path) -> None:
        """``docker run --rm`` with one mount."""
        subprocess.run(self._command(mounted), check=True, stdin=subprocess.DEVNULL)

    def by_api(self, mounted: Path) -> None:
        """Create, start, one execution, remove."""
        api: Any = self._engine.api
        identifier = api.create_container_from_config(self._body(mounted), f"bare-{secrets.token_hex(6)}")[
            "Id"
        ]
        try:
            lifeline = self._engine.attach(identifier)
            api.start(identifier)
            execution = api.exec_create(identifier, ["true"])["Id"]
            api.exec_start(execution)
            if api.exec_inspect(execution)["ExitCode"] != 0:
                raise SystemExit("the bare execution failed")
            lifeline.close()
        finally:
            api.remove_container(identifier, force=True, v=True)

    def _body(self, mounted: Path) -> dict[str, Any]:
        mount = MountSpec("bind", mounted)
        spec = SandboxSpec(name="bare", mount=mount, labels={"prodigy.probe": "bare"}, image=self._image)
        identity = Identity(self._engine.user)
        return container(spec, name="bare", image=self._image, identity=identity, mount=mount)

    def _command(self, mounted: Path) -> list[str]:
        body = self._body(mounted)
        host = body["HostConfig"]
        options = {
            "user": body["User"],
            "workdir": body["WorkingDir"],
            "network": host["NetworkMode"],
            "ipc": host["IpcMode"],
            "cgroupns": host["CgroupnsMode"],
            "memory": host["Memory"],
            "memory-swap": host["MemorySwap"],
            "cpu-period": host["CpuPeriod"],
            "cpu-quota": host["CpuQuota"],
            "pids-limit": host["PidsLimit"],
            "shm-size": host["ShmSize"],
            "log-driver": host["LogConfig"]["Type"],
            "mount": f"type=bind,source={mounted},target={body['WorkingDir']}",
            "entrypoint": "sh",
        }
        lists = {
            "cap-drop": host["CapDrop"],
            "security-opt": host["SecurityOpt"],
            "tmpfs": [f"{place}:{how}" for place, how in host["Tmpfs"].items()],
            "label": [f"{name}={value}" for name, value in body["Labels"].items()],
        }
        single = [f"--{name}={value}" for name, value in options.items()]
        several = [f"--{name}={value}" for name, values in lists.items() for value in values]
        flags = ["--rm", "--init", "--read-only", "--no-healthcheck"]
        return ["docker", "run", *flags, *single, *several, self._image, "-c", "true"]
