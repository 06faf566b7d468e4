"""Values of placeholders are data wherever they stand: proven by running real shells."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from prodigy.errors import StepError
from prodigy.workflow.scope import Scope
from prodigy.workflow.shell_text import render_shell

SHOW = "show() { printf '<%s>' \"$@\"; printf '\\n'; }\n"
"""Prints every argument between angle brackets, so that word boundaries are seen."""

# Each template with: what arrives (`text`: one word; `words`: split; `line`: the text and a line end), and
# whether plain sh knows the construct.
CONTEXTS = {
    "unquoted": ("show §", "words", True),
    "unquoted joined": ("show a§b", "joined", True),
    "double": ('show "§"', "text", True),
    "double joined": ('show "a§"b', "a_b", True),
    "double after apostrophe": ('show "it\'s §"', "its", True),
    "single": ("show '§'", "text", True),
    "single joined": ("show 'a§'b", "a_b", True),
    "single with double inside": ("show 'x\"§\"'", "quoted", True),
    "assignment": ('x=§; show "$x"', "text", True),
    "assignment double": ('x="§"; show "$x"', "text", True),
    "prefix assignment": ('X=§ sh -c \'printf "<%s>\\n" "$X"\'', "text", True),
    "env argument": ('env X=§ sh -c \'printf "<%s>\\n" "$X"\'', "text", True),
    "export": ('export X=§; show "$X"', "text", True),
    "local": ('f() { local x=§; show "$x"; }; f', "text", True),
    "array": ('a=(§); show "${a[@]}"', "words", False),
    "array element": ('a[2]=§; show "${a[2]}"', "text", False),
    "for": ('for i in §; do show "$i"; done', "lines", True),
    "case subject": ("case § in x) show no;; *) show yes;; esac", "yes", True),
    "case pattern": ("x='§'; case $x in §) show yes;; *) show no;; esac", "yes", True),
    "test equality": ("x='§'; [[ $x == § ]] && show yes", "yes", False),
    "test regex": ("x='§'; [[ $x =~ § ]] && show yes", "yes", False),
    "test bracket": ("[ \"§\" = '§' ] && show yes", "yes", True),
    "here-string": ("cat <<< §", "line", False),
    "here-string double": ('cat <<< "§"', "line", False),
    "heredoc": ("cat <<EOF\n§\nEOF\n", "line", True),
    "heredoc dashed": ("cat <<-EOF\n\t§\n\tEOF\n", "line", True),
    "heredoc quoted": ("cat <<'EOF'\n§\nEOF\n", "line", True),
    "heredoc quoted dashed": ("cat <<-'EOF' | cat\n\t§\n\tEOF\n", "line", True),
    "heredoc backslash": ("cat <<\\EOF\n§\nEOF\n", "line", True),
    "heredoc inline": ("cat <<EOF\nE§F\nEOF\n", "E_F", True),
    "heredoc quoted with own text": ("cat <<'EOF'\n$HOME `id` \\n §\nEOF\n", "own", True),
    "substitution": ("show \"$(printf '%s.' §)\"", "substituted words", True),
    "substitution double": ('show "$(printf \'%s.\' "§")"', "dotted", True),
    "substitution single": ("show \"$(printf '%s.' '§')\"", "dotted", True),
    "substitution heredoc": ('show "$(cat <<EOF\n§\nEOF\necho .)"', "line dotted", True),
    "heredoc substitution": ('cat <<EOF\n$(printf "%s." "§")\nEOF\n', "dotted line", True),
    "heredoc substitution single": ("cat <<EOF\n$(printf '%s.' '§')\nEOF\n", "dotted line", True),
    "heredoc substitution unquoted": ("cat <<EOF\n$(printf '%s' §.)\nEOF\n", "unquoted dotted", True),
    "backquotes": ('x=`printf \'%s.\' "§"`; show "$x"', "dotted", True),
    "backquotes unquoted": ("x=`printf '%s.' §`; show \"$x\"", "substituted words", True),
    "backquotes single": ("x=`printf '%s.' '§'`; show \"$x\"", "dotted", True),
    "backquotes in double": ("show \"`printf '%s.' '§'`\"", "dotted", True),
    "backquotes unquoted in double": ("show \"`printf '%s.' §`\"", "substituted words", True),
    "process substitution": ("cat <(printf '%s.' \"§\"); echo", "dotted line", False),
    "redirection": ("cat < /dev/null > ./§/../out 2>/dev/null || show yes", "ignore", True),
    "comment": ("show yes # §", "yes", True),
    "subshell": ('(show "§")', "text", True),
    "pipe": ('printf "%s." "§" | cat; echo', "dotted line", True),
    "if command": ("if true §; then show yes; fi", "yes", True),
    "function": ('f() { show "$1"; }; f "§"', "text", True),
    "braces": ('show "${HOME:+"x"}" "§"', "x and text", True),
    "continued": ('show \\\n  "§"', "text", True),
}

HOSTILE = [
    "",
    " ",
    "a b",
    "a\nb",
    "\n",
    "'",
    '"',
    "`",
    "$",
    "\\",
    "\\'",
    "'\"'\"'",
    "$(touch canary)",
    "`touch canary`",
    "; touch canary #",
    "\n touch canary\n",
    "' ; touch canary; '",
    '" ; touch canary; "',
    "EOF",
    "\nEOF\n",
    "EOF\ntouch canary\n",
    "\tEOF\n\ttouch canary",
    "*",
    "~",
    "{a,b}",
    "a=b",
    "if",
    "-n",
    "${HOME}",
    "$HOME",
    "$((1+1))",
    "!x",
    "\\\n",
    "\\\\",
    "\\$(touch canary)",
    "$'\\n'",
    "x)touch canary;;",
    "x ]]; touch canary",
    "<(touch canary)",
    "> canary",
    "&& touch canary",
    "| touch canary",
    "é ü 漢",
    "\x01",
    "\x7f",
    "\x81",
    "\r\n",
    "a[$(touch canary)]",
    "x` touch canary `",
    "\\`touch canary\\`",
    "\\\\`touch canary\\\\`",
    '\\"; touch canary; \\"',
    "#",
    "x #y",
    "?",
    "\tx",
    "x\n",
    "\n\n",
    "O",
    "EO\\\nF",
    "${IFS+}",
    "\\EOF",
]

hostile = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from([*HOSTILE, *"'\"`$\\(){};&|<>*?[]~!# \n\t=EOFab"]), max_size=8).map("".join),
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20),
)


def words(value: str) -> list[str]:
    return [part for part in re.split(r"[ \t\n]+", value) if part]


def shown(parts: list[str]) -> str:
    return "".join(f"<{part}>" for part in parts) + "\n" if parts else "<>\n"


def expected(kind: str, value: str) -> str | None:
    split = words(value)
    joined = [*split] or [""]
    joined[0], joined[-1] = "a" + joined[0], joined[-1] + "b" if len(joined) > 1 else "a" + joined[0] + "b"
    return {
        "text": shown([value]),
        "words": shown(split),
        "joined": shown(joined),
        "a_b": shown([f"a{value}b"]),
        "its": shown([f"it's {value}"]),
        "quoted": shown([f'x"{value}"']),
        "lines": "".join(shown([part]) for part in split),
        "yes": "<yes>\n",
        "line": value + "\n",
        "E_F": f"E{value}F\n",
        "own": f"$HOME `id` \\n {value}\n",
        "dotted": shown([value + "."]),
        "line dotted": shown([value + "\n."]),
        "dotted line": value + ".\n",
        "substituted words": shown(["".join(part + "." for part in split) or "."]),
        "unquoted dotted": "".join([*split, ""][:-1] or [""]) + ".\n",
        "x and text": shown(["x", value]),
        "ignore": None,
    }[kind]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shell")


def run(shell: str, script: str, place: Path) -> str:
    """Run a script from a file, as steps are, and return what it printed."""
    path = place / "script"
    path.write_text(script, encoding="utf-8", newline="")
    work = place / "work"
    work.mkdir()
    done = subprocess.run([shell, path], capture_output=True, cwd=work, check=False, stdin=subprocess.DEVNULL)
    ran = (work / "canary").exists()
    shutil.rmtree(work)
    assert not ran, script
    return done.stdout.decode(errors="replace")


@pytest.mark.parametrize("name", CONTEXTS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=hostile, sh=st.booleans())
@example(value="EOF", sh=False)
@example(value="$(touch canary)\"; touch canary #'", sh=False)
@example(value="$(touch canary)\"; touch canary #'", sh=True)
def test_value_is_data(name: str, value: str, sh: bool, place: Path) -> None:
    template, kind, portable = CONTEXTS[name]
    scope = Scope({"item": value})
    script = SHOW + render_shell(template.replace("§", "${item}"), scope) + "\n"
    if name == "redirection" and "/" in value:
        return
    printed = run("dash" if sh and portable and shutil.which("dash") else "bash", script, place)
    if (wanted := expected(kind, value)) is not None:
        assert printed == wanted, script


@pytest.mark.parametrize("name", list(CONTEXTS))
def test_every_hostile_value(name: str, place: Path) -> None:
    template, kind, portable = CONTEXTS[name]
    for value in HOSTILE:
        if name == "redirection" and "/" in value:
            continue
        script = SHOW + render_shell(template.replace("§", "${item}"), Scope({"item": value})) + "\n"
        for shell in ["bash", "dash"] if portable else ["bash"]:
            printed = run(shell, script, place)
            if (wanted := expected(kind, value)) is not None:
                assert printed == wanted, (shell, script)


WRAPPERS = [
    ("'", "'"),
    ('"', '"'),
    ("$(echo ", ")"),
    ("`echo ", "`"),
    ("$((", "))"),
    ("((", "))"),
    ("[[ x == ", " ]]"),
    ("{ ", "; }"),
    ("(", ")"),
    ("${x:-", "}"),
    ("<(", ")"),
    ("cat <<EOF\n", "\nEOF\n"),
    ("cat <<'EOF'\n", "\nEOF\n"),
    ("cat <<EOF | ", "\nb\nEOF\n"),
    ("cat <<-EOF\n\t", "\n\tEOF\n"),
    ("case ", " in x) :;; esac"),
    ("case x in ", ") :;; esac"),
    ("if ", "; then :; fi"),
    ("for i in ", "; do :; done"),
    ("a=", ""),
    ("a=(", ")"),
    ("b[", "]=1"),
    ("echo ", ""),
    ("$'", "'"),
    ("# ", "\n"),
    ("[ ", " ]"),
    ("$[", "]"),
    ("cat <<< ", ""),
    ("> ", ""),
    (">&", ""),
    ("f() { ", "; }; f"),
    ("declare x=", ""),
    ("echo $(cat <<EOF\n", "\nEOF\n)"),
    ("${x/", "/}"),
    ("\\", ""),
    ("\\\n", ""),
    ("[[ x =~ ", " ]]"),
    ("echo {a,", "}"),
    ("cat <<A <<B\n", "\nA\n b\nB\n"),
    ("! ", ""),
    ("echo a#", ""),
    ("cat <<EOF; echo ", "\nfoo\nEOF\n"),
    ("export A=", " B"),
    ("x[0]+=", ""),
    ("let ", ""),
    ("", " "),
    (" ", "\t"),
]

scripts = st.recursive(
    st.sampled_from(
        ["${item}", "${item}", "x", "1", "$x", "a b", "", "#", "x*", "it''s", ";", "\n", "'a'", "\\", "$HOME"]
    ),
    lambda inner: (
        st.builds(
            lambda wrapper, parts: wrapper[0] + " ".join(parts) + wrapper[1],
            st.sampled_from(WRAPPERS),
            st.lists(inner, min_size=1, max_size=2),
        )
        | st.lists(inner, min_size=1, max_size=3).map("\n".join)
    ),
    max_leaves=6,
)

BREAKOUTS = [
    "q'; touch canary; '",
    'q"; touch canary; "',
    "q$(touch canary)",
    "q`touch canary`",
    "q\ntouch canary\n",
    "q touch canary",
    "q\nEOF\ntouch canary\n",
    "q) touch canary; (",
    "q}; touch canary; {",
    "q ]]; touch canary;",
    "a[$(touch canary)]",
    "q))\ntouch canary\n",
    "q)touch canary;;",
    "q\\'; touch canary;\\'",
    "q\nA\ntouch canary\nB\ntouch canary\n",
    "'$(touch canary)'",
]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=scripts.filter(lambda text: "${item}" in text), value=st.sampled_from(BREAKOUTS))
def test_no_value_runs_in_any_script_that_is_accepted(script: str, value: str, place: Path) -> None:
    try:
        rendered = render_shell(script, Scope({"item": value}))
    except StepError:
        return
    for shell in ("bash", "dash"):
        run(shell, rendered + "\n", place)
