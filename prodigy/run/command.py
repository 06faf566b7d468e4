"""From a step to what is executed: a rendered command, its input, its environment."""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING

import yaml

from prodigy.errors import StepError
from prodigy.sandbox.protocol import INPUT
from prodigy.values import ErrorKind
from prodigy.workflow.render import render_plain, render_prompt
from prodigy.workflow.shell_text import render_shell

if TYPE_CHECKING:
    from prodigy.run.claude import Claude
    from prodigy.workflow.scope import Computer, Scope
    from prodigy.workflow.step import Step, WriteFile

# Walks the path one directory at a time, so that no link on the way can lead outside; the file appears
# under its name only when it is whole.
WRITE_FILE = r"""
fail() { printf 'write_file: %s\n' "$1" >&2; exit 2; }
rest=$1 mode=$2 parents=$3 input=$4 root=$(pwd -P)
while :; do
    case $rest in */*) part=${rest%%/*} rest=${rest#*/} ;; *) break ;; esac
    case $part in '' | .) continue ;; esac
    if [ "$parents" = yes ] && [ ! -e "./$part" ] && [ ! -L "./$part" ]; then mkdir "./$part"; fi
    [ -d "./$part" ] || fail "the directory '$part' does not exist (create_dirs makes it)"
    cd -P "./$part" || fail "the directory '$part' cannot be entered"
    case $(pwd -P) in "$root" | "$root"/*) ;; *) fail "'$1' leads outside the workspace" ;; esac
done
if [ -L "./$rest" ] || [ -d "./$rest" ]; then fail "'$1' is a link or a directory"; fi
new=./.$$.prodigy
cat "$input" > "$new" && chmod "$mode" "$new" && mv -f "$new" "./$rest" || fail "'$1' cannot be written"
printf 'Wrote %s bytes to %s\n' "$5" "$1"
"""


def render(
    step: Step, scope: Scope, interpreter: str, computer: Computer, claude: Claude | None
) -> tuple[tuple[str, ...], bytes, list[str]]:
    """The argument vector of a step, the input it is given, and what there is to say of it.

    Raises StepError when a placeholder has no value, or a file to write is not what it must be.
    """
    command = step.shell if step.shell is not None else step.test
    if command is not None:
        return (interpreter, INPUT), render_shell(command, scope).encode(errors="surrogateescape"), []
    if step.claude is not None and claude is not None:
        prompt, notes = render_prompt(step.claude, scope, computer)
        return claude.command(step), prompt.encode(errors="surrogateescape"), notes
    if step.write_file is None:
        raise TypeError(step.path)
    path = safe_path(render_plain(step.write_file.path, scope))
    content = _content(step.write_file, render_plain(step.write_file.content, scope)).encode()
    parents = "yes" if step.write_file.create_dirs else "no"
    arguments = (path, step.write_file.mode, parents, INPUT, str(len(content)))
    return ("sh", "-c", WRITE_FILE, "sh", *arguments), content, []


def safe_path(path: str) -> str:
    """Return a path that stays inside the workspace and out of .git. Raises StepError."""
    parts = path.split("/")
    if not path or path.endswith("/") or "\0" in path or posixpath.isabs(path):
        raise StepError(ErrorKind.WRITE_FILE, f"'{path}' is no file path relative to the workspace")
    if ".." in parts or any(part.lower() == ".git" for part in parts):
        raise StepError(ErrorKind.WRITE_FILE, f"'{path}' leaves the workspace or enters .git")
    return path


def _content(spec: WriteFile, content: str) -> str:
    try:
        if spec.format == "json":
            return json.dumps(json.loads(content), indent=2, ensure_ascii=False) + "\n"
        if spec.format == "yaml":
            return yaml.safe_dump(yaml.safe_load(content), sort_keys=False, allow_unicode=True)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise StepError(ErrorKind.WRITE_FILE, f"the content is not valid {spec.format}: {error}") from error
    return content
