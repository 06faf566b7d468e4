"""Placeholders in plain and shell text: names, defaults, filters, and what stays the shell's."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodigy.errors import StepError
from prodigy.values import ErrorKind
from prodigy.workflow.render import render_plain
from prodigy.workflow.scope import Scope
from prodigy.workflow.shell_text import render_shell


@pytest.fixture
def scope() -> Scope:
    made = Scope(
        {
            "map": {"total": 3, "results": [{"a": 1.0}, None], "rate": 5.0},
            "shell": {"output": "out", "success": True},
            "setup": {"files": ["a b", "c"]},
        },
        {"DIR": "src dir", "N": "7"},
    )
    made.set_item({"name": "x", "n": 5, "nul": None, "empty": "", "tags": ["a b", "c"], "deep": [{"k": "v"}]})
    made.capture("build", "ok", exit_code=0, success=True)
    return made


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("${item.name} ${item.n}", "x 5"),
        ("${item.deep[0].k} ${item.deep.0.k}", "v v"),
        ("${item.tags}", '["a b","c"]'),
        ("${item.nul}|${item.empty}", "|"),
        ("${item.missing:-x} ${item.nul:-x} [${item.empty:-x}]", "x x []"),
        ("${item.missing:-${item.name}-${shell.nope:-{y}}}", "x-{y}"),
        ("${map.rate} ${shell.success}", "5.0 true"),
        ("${map.results}", '[{"a":1.0},null]'),
        ("${build} ${build.exit_code} $build", "ok 0 ok"),
        ("$DIR ${DIR} ${env.DIR}", "src dir src dir src dir"),
        ("$$ $5 $UNKNOWN $(id) $item.x", None),
        ("$${item.name} $$${item.name}", "${item.name} $${item.name}"),
        ("${item.tags|length} ${item.tags|lines} ${item.name|json}", '2 a b\nc "x"'),
        ("costs 5$", "costs 5$"),
    ],
)
def test_plain_text(scope: Scope, text: str, wanted: str | None) -> None:
    if wanted is None:
        wanted = text.replace("$item", render_plain("${item}", scope))
    assert render_plain(text, scope) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "${item.missing}",
        "${nope}",
        "${item.tags[5]}",
        "${a.b}",
        "${item",
        "${}",
        "${item.n|length}",
        "${x|upper}",
        "$${",
    ],
)
def test_plain_text_that_fails(scope: Scope, text: str) -> None:
    with pytest.raises(StepError) as caught:
        render_plain(text, scope)
    assert caught.value.kind is ErrorKind.INTERPOLATION


def test_missing_name_lists_what_there_is(scope: Scope) -> None:
    with pytest.raises(StepError, match=r"item\.nmae.*available: deep, empty, n, name"):
        render_plain("${item.nmae}", scope)


@given(st.text())
def test_values_are_not_scanned_again(value: str) -> None:
    assert render_plain("<${item}>", Scope({"item": value})) == f"<{value}>"


@pytest.mark.parametrize(
    "text",
    [
        "awk '{print $1}' f",
        "x=1; echo ${x:-2} ${arr[0]} ${#x} ${x%.md} ${!x} $@ $(id) `id` $((1+1)) ${x:0:3} ${x/a/b}",
        "${unknown}",
        "for f in *; do echo ${f}; done",
        'echo ${DIR} "${DIR}" ${DIR%/*} ${DIR:-x} $DIR',
        "cat <<EOF\n${DIR}\nEOF\n",
        "date +%s${x:+y}",
    ],
)
def test_the_shells_own_stays_byte_for_byte(scope: Scope, text: str) -> None:
    assert render_shell(text, scope) == text


def test_exported_names_are_inserted_only_where_the_shell_would_not(scope: Scope) -> None:
    assert render_shell("echo '${DIR}' ${DIR}", scope) == "echo 'src dir' ${DIR}"
    assert render_shell("echo $((${N} + 1))", scope) == "echo $((${N} + 1))"
    with pytest.raises(StepError, match="integer"):
        render_shell("echo $((${DIR} + 1))", scope)


def test_literal_placeholder_reaches_the_shell(scope: Scope) -> None:
    assert render_shell("echo $${HOME} ${item.n}", scope) == "echo ${HOME} '5'"


def out(script: str) -> str:
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True, stdin=subprocess.DEVNULL)
    return done.stdout.decode()


def test_lists_are_words_unquoted_and_json_quoted(scope: Scope) -> None:
    assert out(render_shell("printf '<%s>' ${item.tags}", scope)) == "<a b><c>"
    assert out(render_shell("printf '<%s>' \"${item.tags}\"", scope)) == '<["a b","c"]>'
    assert out(render_shell('for f in ${setup.files}; do echo "$f."; done', scope)) == "a b.\nc.\n"
    assert out(render_shell("printf '<%s>' ${item.deep}", scope)) == '<[{"k":"v"}]>'


@pytest.mark.parametrize(
    "text",
    [
        "echo $((§ + 1))",
        "((x = §)); echo",
        "a[§]=1",
        "echo ${a[§]}",
        "[[ 1 -eq § ]]",
        '[[ 1 -eq "§" ]]',
        "[[ a && x§ -lt 3 ]]",
        "for ((i=0; i<§; i++)); do :; done",
        "echo $[§]",
        'echo "$((1+§))"',
        "echo >&§",
        "if (( 1 < § )); then :; fi",
    ],
)
def test_arithmetic_takes_integers_only(text: str) -> None:
    template = text.replace("§", "${item}")
    for value in ("a[$(id)]", "x", "", "1.5", "1e3", "0x1", "1 2", None, [1], "9" * 30, "1;id"):
        with pytest.raises(StepError) as caught:
            render_shell(template, Scope({"item": value}))
        assert caught.value.kind is ErrorKind.INTERPOLATION
    assert render_shell(template, Scope({"item": " 007\n"})) == text.replace("§", "7")
    assert render_shell(template, Scope({"item": -3})) == text.replace("§", "-3")


@pytest.mark.parametrize(
    "text",
    [
        "echo $'§'",
        "echo \\§",
        'echo "\\§"',
        "x=${y:-§}",
        "x=${y/§/b}",
        "§=1",
        "for § in a; do :; done",
        "§() { :; }",
        "cat <<§\na\n§\n",
        "cat <<§\nEOF\n",
        "echo '§",
        'echo "§',
        "echo `echo \\`echo §\\``",
        "unset §",
        "export §",
        'declare "§"',
        "read §",
        "let x=§",
        "printf -v § x",
        "[ -v § ]",
        "[[ -v § ]]",
        "declare -i x; x=§",
        "declare -a x=§",
        "local -n x=§",
        'builtin read "§"',
        "echo §)",
        "if §",
        "case x in",
        "cat <<'E F'\n§\nE F\n",
        'echo "`echo "§"`"',
        "cat <<-EOF\n$(echo '§')\nEOF\n",
        "cat <<EOF\n`echo §`\nEOF\n",
        "echo ${§}",
        "select § in a; do :; done",
        "a=()§",
        "case x in x)§;; esac",
        "echo ${x#{ a; } # }; echo §",
        'echo "${x:-it\'s}" §',
        "a=\x0b§",
        "a=\r§",
        "a=\u2003§",
        "a=b\\\n§",
        "a\\\n=§",
        "> f\\\n§",
        "PS4=§",
        "RANDOM=§ true",
        "declare -i i; for i in §; do :; done",
        "export BASH_ENV=§",
        "printf -v'§' x",
        "test -v §",
        "${x[§",
        "cat <<EOF\n§\n",
    ],
)
def test_undecidable_places_are_refused(text: str) -> None:
    text += "" if "§" in text else " §"
    with pytest.raises(StepError) as caught:
        render_shell(text.replace("§", "${item}"), Scope({"item": "5"}))
    assert caught.value.kind is ErrorKind.INTERPOLATION


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_values_no_shell_can_hold(value: str) -> None:
    with pytest.raises(StepError):
        render_shell("echo ${item}", Scope({"item": value}))


def test_megabytes_pass_through_builtins_and_heredocs() -> None:
    big = json.dumps([{"output": 'it\'s "$(id)" \\ `x`\n' * 10} for _ in range(10_000)])
    assert len(big) > 2_000_000
    template = "echo '${item}' | wc -c; cat <<EOF | wc -c\n${item}\nEOF\ncat <<'EOF' | wc -c\n${item}\nEOF\n"
    script = render_shell(template, Scope({"item": big}))
    done = subprocess.run(["bash", "-s"], input=script.encode(), capture_output=True, check=True)
    assert done.stdout.split() == [str(len(big) + 1).encode()] * 3


def test_scope_children_see_and_do_not_write_their_parent() -> None:
    parent = Scope({"a": 1}, {"E": "x"})
    child = parent.child(b=2).exporting({"E": "y", "F": "z"})
    parent.set("late", 3)
    child.set("a", 9)
    assert (child.get("a"), child.get("late"), parent.get("a")) == (9, 3, 1)
    assert (child.exported, parent.exported) == ({"E": "y", "F": "z"}, {"E": "x"})
    assert child.is_exported("F")
    assert not child.is_exported("a")


def test_scope_survives_storage(scope: Scope) -> None:
    loaded = Scope.load(json.loads(json.dumps(scope.dump())))
    text = "${build.exit_code} ${item.name} ${DIR} ${map.total}"
    assert render_plain(text, loaded) == render_plain(text, scope)
    assert loaded.is_exported("DIR")


def test_path_items_answer_to_their_parts() -> None:
    scope = Scope()
    scope.set_item("src/a.tar.gz", is_path=True)
    text = "${item} ${item.path} ${item.dir} ${item.name} ${item.stem} ${item.ext} ${item.value}"
    assert render_plain(text, scope) == "src/a.tar.gz src/a.tar.gz src a.tar.gz a.tar gz src/a.tar.gz"


def test_value_keeps_its_type(scope: Scope) -> None:
    assert scope.value("${setup.files}") == ["a b", "c"]
    with pytest.raises(StepError):
        scope.value("x ${setup.files}")
