"""Git configuration files that prodigy writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prodigy.git.origin import Origin
    from prodigy.git.repository import UserRepository

_SESSION = """\
[gc]
	auto = 0
[maintenance]
	auto = false
[core]
	hooksPath = /dev/null
	fsmonitor = false
	fsync = objects,derived-metadata,reference
	bigFileThreshold = 16m
	packedGitWindowSize = 64m
	packedGitLimit = 1g
[protocol]
	allow = never
[protocol "file"]
	allow = always
[transfer]
	fsckObjects = true
[merge]
	renameLimit = 1000
[pack]
	window = 0
[fetch]
	recurseSubmodules = false
"""


_CHANGES_NOTHING = "[core]\n\tcheckStat = minimal\n\ttrustctime = false\n"
"""A copy has other inodes and change times than its template; git need not read its files again for that."""


def session_config(repository: UserRepository) -> str:
    """Return all the configuration that host git knows while it works for a session."""
    places = (repository.root, repository.root / ".git", repository.git_dir, repository.common_dir)
    safe = "".join(f"\tdirectory = {quoted(str(place))}\n" for place in dict.fromkeys(places))
    user = f"\tname = {quoted(repository.user_name)}\n\temail = {quoted(repository.user_email)}\n"
    return f"{_SESSION}[safe]\n{safe}[user]\n{user}"


def repository_config(object_format: str, *, bare: bool) -> str:
    """Return the configuration every repository needs."""
    sha256 = object_format == "sha256"
    extension = "[extensions]\n\tobjectformat = sha256\n" if sha256 else ""
    return f"[core]\n\trepositoryformatversion = {int(sha256)}\n\tbare = {str(bare).lower()}\n{extension}"


def quoted(value: str) -> str:
    """Return a value as a git configuration file writes it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def workspace_config(origin: Origin) -> str:
    """Return the configuration of a workspace: nothing of the user's but identity and how files look."""
    settings = {"filemode": "true", **{key.removeprefix("core."): value for key, value in origin.settings}}
    core = "".join(f"\t{key} = {quoted(value)}\n" for key, value in settings.items())
    return (
        f"{repository_config(origin.object_format, bare=False)}[core]\n{core}\tlogallrefupdates = true\n"
        f"{_CHANGES_NOTHING}[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
        f"[user]\n\tname = {quoted(origin.user_name)}\n\temail = {quoted(origin.user_email)}\n"
    )
