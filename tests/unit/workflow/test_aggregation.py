"""Values computed over results."""

from __future__ import annotations

from typing import Any

import pytest

from prodigy.errors import InputError
from prodigy.workflow.aggregation import Variable, aggregate


def over(outputs: list[Any], **options: Any) -> Any:
    results = [
        {"item_id": str(number), "status": "success", "output": output}
        for number, output in enumerate(outputs)
    ]
    results.append({"item_id": "failed", "status": "failed", "output": 100})
    return aggregate({"x": Variable.model_validate(options)}, results)["x"]


@pytest.mark.parametrize(
    ("outputs", "options", "wanted"),
    [
        ([1, None, 3], {"type": "count", "from": "output"}, 2),
        ([1, None, 3], {"type": "count"}, 3),
        ([1, 2.5], {"type": "sum", "from": "output"}, 3.5),
        ([], {"type": "sum", "from": "output"}, 0),
        ([2, 1], {"type": "min", "from": "output"}, 1),
        (["b", "a"], {"type": "max", "from": "output"}, "b"),
        ([], {"type": "max", "from": "output"}, None),
        ([1, 2], {"type": "average", "from": "output"}, 1.5),
        ([1, 9, 3, 5], {"type": "median", "from": "output"}, 4),
        ([1, 3], {"type": "variance", "from": "output"}, 1),
        ([1, 3], {"type": "variance", "from": "output", "sample": True}, 2),
        ([1, 3], {"type": "stddev", "from": "output"}, 1),
        ([1, "1", 1.0, [1]], {"type": "unique", "from": "output"}, [1, "1", [1]]),
        (["a", 1], {"type": "concat", "from": "output", "separator": "-"}, "a-1"),
        ([{"a": 1}, {"a": 2, "b": 3}], {"type": "merge", "from": "output"}, {"a": 1, "b": 3}),
        ([{"a": 1}, {"a": 2}], {"type": "merge", "from": "output", "wins": "last"}, {"a": 2}),
        ([[1, [2]], 3], {"type": "flatten", "from": "output"}, [1, [2], 3]),
        ([1, 2], {"type": "collect", "from": "output", "initial": 0}, [0, 1, 2]),
        (["b", 1], {"type": "sort", "from": "output", "order": "desc"}, ["b", 1]),
        (
            [{"k": "a", "v": 1}, {"k": "a", "v": 2}],
            {"type": "group_by", "from": "output.v", "key": "output.k"},
            {"a": [1, 2]},
        ),
        ([1, 5], {"type": "collect", "from": "output", "filter": "output > 2"}, [5]),
        ([2], {"type": "sum", "from": "output", "initial": 40}, 42),
    ],
)
def test_kinds(outputs: list[Any], options: dict[str, Any], wanted: Any) -> None:
    assert over(outputs, **options) == wanted


def test_all_wrong_values_are_named_together() -> None:
    results = [{"item_id": name, "status": "success", "output": name} for name in ("a", "b")]
    variables = {name: Variable.model_validate({"type": "sum", "from": "output"}) for name in ("x", "y")}
    with pytest.raises(InputError) as caught:
        aggregate(variables, results)
    assert caught.value.message == (
        "x: `sum` cannot take a gives str, b gives str; y: `sum` cannot take a gives str, b gives str"
    )
