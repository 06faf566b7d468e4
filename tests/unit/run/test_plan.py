"""The plan: the command line over the file, and what contradicts itself."""

from __future__ import annotations

import pytest

from prodigy.errors import UsageError
from prodigy.run.plan import Overrides, make_plan
from prodigy.workflow.loader import load_workflow
from prodigy.workflow.models import Workflow

STANDARD = """\
sandbox: {cpus: 1, memory: 1g, network: none}
commands:
  - shell: make
    on_failure: {shell: make fix}
"""
MAPREDUCE = """\
mode: mapreduce
setup: [{shell: a}]
map:
  input: [1]
  max_parallel: 3
  agent_template: [{shell: b}]
reduce: [{shell: c}]
"""


def _workflow(text: str) -> Workflow:
    return load_workflow(text.encode(), "flow.yml")


def test_the_command_line_beats_the_file() -> None:
    plan = make_plan(_workflow(STANDARD), "flow.yml", Overrides(cpus=4, network="bridge"))
    assert (plan.settings.cpus, plan.settings.network) == (4, "bridge")
    assert plan.limits_of("commands").memory == 1 << 30


def test_a_plan_survives_storage() -> None:
    plan = make_plan(_workflow(MAPREDUCE), "flow.yml", Overrides(max_parallel=7))
    assert type(plan).model_validate(plan.model_dump(mode="json")) == plan
    assert plan.max_parallel == 7


def test_every_phase_is_listed_in_order() -> None:
    plan = make_plan(_workflow(MAPREDUCE), "flow.yml", Overrides())
    assert list(plan.workflow.phases()) == ["setup", "map", "reduce"]


def test_handlers_count_as_steps() -> None:
    plan = make_plan(_workflow(STANDARD), "flow.yml", Overrides())
    assert [step.shell for step in plan.steps()] == ["make", "make fix"]


@pytest.mark.parametrize(
    ("text", "overrides", "says"),
    [
        (STANDARD, Overrides(sandbox="host", image="x"), "--image cannot act"),
        (STANDARD, Overrides(sandbox="host"), "network: none"),
        (STANDARD, Overrides(max_parallel=2), "--max-parallel"),
    ],
)
def test_what_could_not_act_is_refused(text: str, overrides: Overrides, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make_plan(_workflow(text), "flow.yml", overrides)
