"""The machine policy: limits that no workflow and no option can exceed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from prodigy.errors import WorkflowInvalid
from prodigy.workflow.fields import Duration, Model, Size
from prodigy.workflow.findings import Findings
from prodigy.workflow.nodes import Mapping
from prodigy.workflow.reader import Reader
from prodigy.workflow.spellings import Place
from prodigy.workflow.tree import build_tree

Networks = Literal["none", "egress", "bridge"]
Credentials = Literal["gateway", "env", "host_login", "none"]
_MAX_BYTES = 1 << 20


class MachinePolicy(Model):
    """What runs on this machine may do at most."""

    max_memory: Size | None = None
    """Memory of one container."""
    max_cpus: Annotated[float, Field(gt=0)] | None = None
    """Processors of one container."""
    max_pids: Annotated[int, Field(ge=1)] | None = None
    """Processes of one container."""
    max_disk: Size | None = None
    """What one workspace may hold."""
    max_parallel: Annotated[int, Field(ge=1)] | None = None
    """Agents at a time."""
    max_timeout: Duration | None = None
    """The longest a run may take."""
    allowed_images: tuple[str, ...] | None = None
    """Globs of image references; prodigy's own image is always allowed."""
    require_digest: bool = False
    """Whether images must be named by their digest."""
    allowed_networks: tuple[Networks, ...] | None = None
    """The kinds of network containers may have."""
    allowed_egress: tuple[str, ...] | None = None
    """Names that may be reached through the gateway."""
    allow_host: bool = True
    """Whether steps may run without a container."""
    allow_root: bool = False
    """Whether processes of containers may be root."""
    allow_gpus: bool = False
    """Whether containers may have graphics processors."""
    allow_caches: bool = False
    """Whether containers may share volumes."""
    strict_bind: bool = False
    """Whether workspaces are only ever bind mounts."""
    allowed_files: tuple[str, ...] = ()
    """Globs of files outside a repository that its workflows may read as secrets or variables."""
    allowed_env: tuple[str, ...] | None = None
    """Globs of the caller's variables that workflows may take over."""
    allowed_runtimes: tuple[str, ...] | None = None
    """Runtimes of the engine that may be named."""
    allowed_credentials: tuple[Credentials, ...] | None = None
    """How Claude may get its credentials."""
    max_run_budget_usd: Annotated[float, Field(gt=0)] | None = None
    """What Claude may cost in one run."""

    def stricter(self, other: MachinePolicy) -> MachinePolicy:
        """Return the policy that allows only what both do."""
        mine, theirs = self.model_dump(), other.model_dump()
        return MachinePolicy.model_validate(
            {name: _stricter(name, mine[name], theirs[name]) for name in MachinePolicy.model_fields}
        )


_MORE_IS_STRICTER = ("require_digest", "strict_bind")


def _stricter(name: str, a: Any, b: Any) -> Any:
    if name in _MORE_IS_STRICTER:
        return a or b
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, bool):
        return a and b
    if isinstance(a, list | tuple):
        return tuple(entry for entry in a if entry in b)
    return min(a, b)


def load_policy(data: bytes, file: str) -> MachinePolicy:
    """Return the policy in a file's bytes. Raises WorkflowInvalid with every error, by position."""
    text = data.decode("utf-8-sig", "replace") if len(data) <= _MAX_BYTES else ""
    findings = Findings(file, text)
    root = build_tree(text, findings)
    draft: dict[str, Any] = {}
    if root is not None:
        reader = Reader(findings, {})
        keys = reader.keys(root, Place(frozenset(MachinePolicy.model_fields)), "the machine policy")
        lists = {key: node for key, node in keys.items() if _is_list(key)}
        draft = reader.fields(MachinePolicy, {k: v for k, v in keys.items() if k not in lists}, "the policy")
        for key, node in lists.items():
            empty = not isinstance(node, Mapping) and getattr(node, "items", None) == []
            draft[key] = [] if empty else reader.texts(node, key, "the policy")
    if findings.errors:
        raise WorkflowInvalid(findings.errors)
    return MachinePolicy.model_validate(draft)


def _is_list(name: str) -> bool:
    return name.startswith("allowed_")
