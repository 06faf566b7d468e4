"""The schema is that of the loader: what one accepts, the other accepts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from prodigy.workflow.reference import reference
from prodigy.workflow.schema import policy_schema, workflow_schema
from tests.unit.workflow.test_edge_cases import ACCEPTED

CHECKOUT = Path(__file__).parents[3]
VALIDATOR = Draft202012Validator(workflow_schema())


def test_both_are_schemas() -> None:
    Draft202012Validator.check_schema(workflow_schema())
    Draft202012Validator.check_schema(policy_schema())


@pytest.mark.parametrize("file", sorted((CHECKOUT / "examples").glob("*.yml")), ids=lambda file: file.stem)
def test_the_examples_fit(file: Path) -> None:
    VALIDATOR.validate(yaml.safe_load(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("text", ACCEPTED, ids=range(len(ACCEPTED)))
def test_what_the_loader_accepts_fits(text: str) -> None:
    VALIDATOR.validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "comands: [{shell: a}]",
        "commands: []",
        "commands: [{shel: a}]",
        "commands: [{shell: a, retry: {attempt: 2}}]",
        "commands: [{shell: a, timeout: soon}]",
        "sandbox: {memory: lots}\ncommands: [{shell: a}]",
        "mode: other\ncommands: [{shell: a}]",
    ],
)
def test_what_is_misspelt_does_not_fit(text: str) -> None:
    assert not VALIDATOR.is_valid(yaml.safe_load(text))


def test_the_reference_page_is_up_to_date() -> None:
    page = CHECKOUT / "docs" / "reference.md"
    assert page.read_text(encoding="utf-8") == reference(), "prodigy schema --reference -o docs/reference.md"


def test_every_key_is_described() -> None:
    for name, found in workflow_schema()["$defs"].items():
        assert found.get("description") or found.get("anyOf") or name.endswith("steps"), name
