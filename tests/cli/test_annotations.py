"""`run --annotations github`: workflow commands that say what the alerts say, at most ten of each severity, and that no data can break out of."""

import re
from pathlib import Path

import pytest

from mlops_desk.cli import annotations
from mlops_desk.cli.annotations import command
from mlops_desk.workspace import Workspace
from tests.cli.conftest import CommandLine

LINE = re.compile(r"::(error|warning) title=([^:,\r\n]*)::([^\r\n]*)")


def commands(text: str) -> list[tuple[str, str, str]]:
    lines = [line for line in text.splitlines() if line.startswith("::")]
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found), lines
    return [(match[1], match[2], match[3]) for match in found if match]


def test_open_alerts_are_annotated(mlops_desk: CommandLine, workspace: Path) -> None:
    assert mlops_desk("run", workspace, "--annotations", "github") == 0
    told = commands(mlops_desk.out)
    alerts = Workspace.open(workspace).alerts("small")
    severities = [alert.severity.value for alert in alerts]
    expected = {"error": min(severities.count("alert"), 10), "warning": min(severities.count("warning"), 10)}
    assert expected["error"] > 0
    for word, count in expected.items():
        assert sum(one[0] == word for one in told) == count
    assert all(title.startswith("small%3A ") or " more open " in title for _, title, _ in told)
    numbers = {int(match[1]) for _, _, message in told if (match := re.search(r"\(alert (\d+)\)$", message))}
    assert numbers <= {alert.id for alert in alerts}
    assert mlops_desk("run", workspace) == 0
    assert commands(mlops_desk.out) == []


def test_what_github_would_not_show_is_counted(
    mlops_desk: CommandLine, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotations, "MOST_SHOWN", 2)
    alerts = [alert for alert in Workspace.open(workspace).alerts("small") if alert.severity == "alert"]
    assert len(alerts) > 2
    assert mlops_desk("run", workspace, "--annotations", "github") == 0
    errors = [one for one in commands(mlops_desk.out) if one[0] == "error"]
    assert len(errors) == 2
    assert errors[1][1:] == (f"{len(alerts) - 1} more open alerts", f"`mlops-desk alerts` lists all {len(alerts)}")


def test_silenced_alerts_and_other_models_are_not(mlops_desk: CommandLine, workspace: Path) -> None:
    for alert in Workspace.open(workspace).alerts("small"):
        assert mlops_desk("silence", workspace, alert.id, "--until", "3d") == 0
    assert mlops_desk("run", workspace, "--annotations", "github", "--fail-on", "warning") == 0
    assert commands(mlops_desk.out) == []


def test_a_model_that_cannot_be_judged_is_annotated(mlops_desk: CommandLine, workspace: Path) -> None:
    for file in workspace.rglob("*.parquet"):
        file.write_bytes(b"PAR1 but not really PAR1")
    assert mlops_desk("run", workspace, "--annotations", "github") == 2
    first = commands(mlops_desk.out)[0]
    assert first[:2] == ("error", "small cannot be judged")


def test_no_text_ends_a_command_or_begins_another() -> None:
    hostile = "100 %, a:b\r\n::set-env name=X::y"
    line = command("error", hostile, hostile)
    assert line == (
        "::error title=100 %25%2C a%3Ab%0D%0A%3A%3Aset-env name=X%3A%3Ay::100 %25, a:b%0D%0A::set-env name=X::y"
    )
    assert LINE.fullmatch(line)


def test_json_and_annotations_exclude_each_other(mlops_desk: CommandLine, workspace: Path) -> None:
    assert mlops_desk("run", workspace, "--annotations", "github", "--json") == 2
    assert "not allowed with" in mlops_desk.err
    assert mlops_desk("run", workspace, "--annotations", "gitlab") == 2
    assert "invalid choice: 'gitlab'" in mlops_desk.err
