"""Items are data: nasty ones, through every quoting context, from the input to the index."""

from __future__ import annotations

import json

import pytest

from tests.support.ground import Ground

pytestmark = pytest.mark.docker

NASTY = [
    "'; touch /tmp/owned; '",
    '"; touch owned; echo "',
    "$(touch owned) `touch owned`",
    "two\nlines\nEOF\ntouch owned\n",
    "* ? [a-z] ~ {a,b} \\ \\n $HOME ${HOME} !!",
    "-rf --help",
    "a\tb  c\u00a0d \u202e \x1b]0;title\x07 \x1b[31mred",
    "${item} ${map.item} $${x} ${shell.output}",
    "; exit 0 #\r\n& | < > ( )",
    "\U0001f600 ü é",
]

FLOW = r"""
name: nasty
mode: mapreduce
map:
  input: items.json
  max_parallel: 4
  agent_template:
    - shell: |
        mkdir out
        printf %s "${item}" > out/double
        printf %s '${item}' > out/single
        here="${item}"; printf %s "$here" > out/assigned
        plain=${item}; printf %s "$plain" > out/unquoted
        cat > out/heredoc <<EOF
        ${item}
        EOF
        cat > out/quoted-heredoc <<'EOF'
        ${item}
        EOF
        printf %s "$(printf %s "${item}"; echo .)" > out/substituted
        case "${item}" in ${item}) printf yes > out/case ;; esac
        [[ "${item}" == ${item} ]] && printf yes > out/test
        # ${item}
        : > out/words; for word in ${item}; do printf '%s\n' "$word" >> out/words; done
        python3 - "${item}" <<'PY'
        import json, pathlib, sys
        item, out = sys.argv[1], pathlib.Path("out")
        found = {p.name: p.read_bytes().decode() for p in out.iterdir()}
        for name in ("double", "single", "assigned", "unquoted"):
            assert found[name] == item, (name, found[name])
        for name in ("heredoc", "quoted-heredoc"):
            assert found[name] == item + "\n", (name, found[name])
        assert found["substituted"] == item + "."
        assert found["case"] == found["test"] == "yes"
        assert found["words"].split("\n")[:-1] == [w for w in __import__("re").split("[ \t\n]+", item) if w]
        PY
        test ! -e owned && test ! -e /tmp/owned && rm -r out
    - write_file: {path: "kept-${item_index}.json", content: '{"item": ${item_json}}', format: json}
    - shell: git add -A; git commit -qm "kept ${item}"; echo "done ${item}"
      commit_required: true
reduce:
  - shell: echo '${map.results}' | jq '[.[].item]' > all.json; git add -A; git commit -qm all
"""


def test_nasty_items_stay_data_everywhere(ground: Ground) -> None:
    ground.repository.commit({"items.json": json.dumps(NASTY)}, "items")
    done = ground.run(FLOW, "-v", "-y", code=0)
    assert "\x1b" not in done.err + done.out
    assert "\u202e" not in done.err + done.out
    assert json.loads(ground.repository.show("all.json")) == NASTY
    for index, item in enumerate(NASTY):
        assert json.loads(ground.repository.show(f"kept-{index}.json")) == {"item": item}
    assert "owned" not in ground.repository.files()


def test_an_item_with_a_nul_byte_fails_alone(ground: Ground) -> None:
    ground.repository.commit({"items.json": '["a\\u0000b", "fine"]'}, "items")
    flow = FLOW.partition("    - shell: |")[0] + '    - shell: echo "${item}"\n'
    done = ground.run(flow, "--json", code=4)
    assert [entry["status"] for entry in done.json["results"]] == ["failed", "success"]
    assert done.json["results"][0]["error"]["kind"] == "interpolation"
