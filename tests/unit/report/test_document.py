import json

from prodigy.errors import Interrupted, UsageError, WorkflowInvalid
from prodigy.report.document import dumps, error_document, run_document
from prodigy.values import Diagnostic

RUN_KEYS = {
    *("schema", "session_id", "job_id", "workflow", "mode", "status", "exit_code", "started_at"),
    *("finished_at", "duration", "base_commit", "branch", "target", "iterations", "phases", "steps"),
    *("items", "results", "tolerated", "warnings", "uncommitted", "commits", "files_changed"),
    *("merge", "cost", "artifacts", "resume_command"),
}


def printed(document):
    return json.loads(dumps(document))


def test_run_document_has_every_key_and_null_for_what_is_missing(result, phase, tolerated_step):
    document = printed(run_document(result(phases=(phase,), steps=(tolerated_step,), target=None)))
    assert set(document) >= RUN_KEYS
    assert document["schema"] == "prodigy.run/1"
    assert document["started_at"] == "2026-03-01T12:00:00Z"
    assert document["duration"] == 90.5
    assert document["target"] is None
    assert document["job_id"] is None
    assert document["items"] is None
    assert document["cost"] == {
        "usd": None,
        "input_tokens": None,
        "output_tokens": None,
        "cache_tokens": None,
    }
    assert document["phases"][0]["container_limits"] is None
    assert document["steps"][0]["tolerated"] == {"by": None, "error": "exit code 3"}
    assert document["merge"] == {"status": "merged", "commit": "b" * 40, "reason": None, "command": None}


def test_items_carry_success_conflict_and_where_their_commits_are_kept(result, failed_item):
    document = printed(run_document(result(results=(failed_item,))))
    item = document["results"][0]
    assert item["success"] is False
    assert item["error"] == {
        "kind": "merge_conflict",
        "message": "conflict",
        "step": "map.agent_template[0]",
        "exit_code": None,
    }
    assert item["conflict"]["theirs"] == "2" * 40
    assert document["artifacts"] == [{"owner": "a.py", "ref": "refs/prodigy/s/failed/a.py"}]


def test_no_character_of_foreign_text_reaches_the_terminal_raw(result):
    text = dumps(run_document(result(warnings=("\x1b[2J \u202e \udcff é",))))
    assert text.isascii()
    assert json.loads(text)["warnings"] == ["\x1b[2J \u202e \udcff é"]


def test_error_document():
    assert error_document(UsageError("no", help="do")) == {
        "schema": "prodigy.error/1",
        "exit_code": 2,
        "message": "no",
        "help": "do",
        "diagnostics": [],
    }
    assert error_document(Interrupted(15))["exit_code"] == 143


def test_error_document_lists_diagnostics():
    one = Diagnostic("w.yml", 3, 5, 3, 9, "error", "P201", "unknown key 'shel'", "see", "  shel: ls")
    assert error_document(WorkflowInvalid([one]))["diagnostics"] == [
        {
            "file": "w.yml",
            "line": 3,
            "column": 5,
            "end_line": 3,
            "end_column": 9,
            "severity": "error",
            "code": "P201",
            "message": "unknown key 'shel'",
            "help": "see",
        }
    ]
