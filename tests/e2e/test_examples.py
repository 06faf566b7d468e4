"""What the README and examples/ show really runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.ground import Ground

CHECKOUT = Path(__file__).parents[2]
MODULES = {
    "shop/__init__.py": "",
    "shop/cart.py": '"""A cart; it\'s `full` of $(things)."""\n\ndef add(item, n=1):\n    """Put it in."""\n',
    "shop/bare.py": "class Thing:\n    pass\n",
    "tests/test_cart.py": "",
}


def workflow(page: str, beginning: str) -> str:
    """The workflow a page shows that begins so."""
    blocks = re.findall(r"```yaml\n(.*?)```", (CHECKOUT / page).read_text(encoding="utf-8"), re.DOTALL)
    return next(block for block in blocks if block.startswith(beginning))


@pytest.mark.docker
def test_the_demo_outlines_every_module(ground: Ground) -> None:
    ground.repository.commit(MODULES, "modules")

    result = ground.program("run", str(CHECKOUT / "examples" / "demo.yml"), "-y", "--json", code=0).json

    assert result["items"]["successful"] == 2
    assert "2 lines in [shop/bare.py](../shop/bare.py)" in ground.repository.show("outline/shop.bare.md")
    page = ground.repository.show("outline/shop.cart.md")
    assert "A cart; it's `full` of $(things)." in page
    assert "- `add(item, n=1)`: Put it in." in page
    index = ground.repository.show("outline/README.md")
    assert "Modules: 2" in index
    assert "- [shop.cart](shop.cart.md), public names: 1. A cart; it's `full` of $(things)." in index


@pytest.mark.docker
def test_the_workflow_of_the_readme_runs(ground: Ground) -> None:
    ground.repository.commit({"a.md": "one two\n", "b c.md": "three\n", "README.md": ""}, "texts")

    ground.run(workflow("README.md", "# count.yml"), "-y", code=0)

    assert ground.repository.show("counts/all").split("\n") == ["0 README.md", "2 a.md", "1 b c.md"]
    subjects = ground.repository.git("log", "--format=%s").splitlines()
    assert subjects[0] == "Gather 3 counts"


@pytest.mark.docker
def test_the_workflows_of_the_guide_run(ground: Ground) -> None:
    makefile = "format:\n\techo formatted > shop/cart.py\n"
    ground.repository.commit({"Makefile": makefile, "shop/cart.py": "x=1\n", "shop/bare.py": "y=2\n"}, "code")
    guide = "docs/workflows.md"

    ground.run(workflow(guide, "name: tidy"), "-y", code=0)
    ground.run(workflow(guide, "name: headers"), "-y", code=0)

    assert ground.repository.show("shop/cart.py") == "# Copyright Example Inc.\nformatted"
    assert ground.repository.show("headers.txt") == "2 of 2 files"


def test_every_example_is_valid_without_warnings(ground: Ground) -> None:
    for example in sorted((CHECKOUT / "examples").glob("*.yml")):
        ground.program("validate", "--strict", str(example), code=0)


def test_a_link_in_the_documentation_leads_to_a_file() -> None:
    pages = [CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md")]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not broken


RUNS = {
    "fix-tests": ({"test.sh": "test -e fixed\n", "fix.sh": "touch fixed; git add fixed\n"}, {"fixed": ""}),
    "format-files": (
        {"a.txt": "a  \n", "vendor/b.txt": "b  \nend\n"},
        {"a.txt": "a", "vendor/b.txt": "b  \nend"},
    ),
    "bump-packages": (
        {
            "packages/a/package.json": '{"name": "a", "version": "1.0.0", "dependencies": {"left-pad": "1.0.0"}}',
            "packages/b/package.json": '{"name": "b", "version": "1.0.0", "dependencies": {}}',
        },
        {"packages/a/package.json": '"left-pad": "2.0.0"'},
    ),
    "licence-headers": (
        {"a.py": "print(1)\n", "b.py": "# SPDX-License-Identifier: MIT\n"},
        {"a.py": "# SPDX-License-Identifier: MIT\nprint(1)", "b.py": "# SPDX-License-Identifier: MIT"},
    ),
    "docs-drift": (
        {"docs/one.md": "See `README.md` and `gone.txt`.\n", "docs/two.md": "Nothing.\n"},
        {"drift.json": '"gone.txt"'},
    ),
    "convert-data": ({"data/x.csv": "a,b\n1,2\n3,4\n", "data/y.csv": "a\n5\n"}, {"data/TOTAL": "3 rows"}),
    "foreach": ({"one/Makefile": "all:\n\techo built\n", "two/Makefile": "all:\n\ttrue\n"}, {}),
    "retries": (
        {"fetch.sh": "echo try again >&2; exit 1\n", "cached.txt": "cached\n"},
        {"data.txt": "cached"},
    ),
    "validation": ({"en.txt": "one\ntwo\nthree\n"}, {"de.txt": "one\ntwo\nthree"}),
    "conflicts": ({"names.txt": ""}, {"names.txt": "ada\nedsger\ngrace"}),
}


@pytest.mark.docker
@pytest.mark.parametrize("name", RUNS)
def test_every_example_runs(ground: Ground, name: str) -> None:
    files, wanted = RUNS[name]
    ground.repository.commit(files, "files")
    ground.program("run", str(CHECKOUT / "examples" / f"{name}.yml"), "-y", "--json", code=0)
    for path, content in wanted.items():
        assert content in ground.repository.show(path)


def test_no_example_is_left_out() -> None:
    assert {file.stem for file in (CHECKOUT / "examples").glob("*.yml")} == {*RUNS, "demo"}
