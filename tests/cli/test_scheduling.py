"""The guide to schedulers: every command in it is one that the program takes and that does what the guide says, and every file in it can be parsed."""

import ast
import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from croniter import croniter

from mlops_desk.cli.arguments import parsed
from mlops_desk.reporting.help import help_page
from tests.cli.conftest import CommandLine

PAGE = help_page("scheduling")
PROGRAM = re.compile(r"(?:\S*/|\")?mlops-desk(?:\.exe)?\"? ([a-z]+ [^\n|>]*)")
WORKSPACES = ("W", "/srv/loans", r"C:\loans", "monitoring")


def blocks(section: str) -> list[str]:
    """The indented parts of a section, without their indent."""
    text = PAGE.markdown.split(f"## {section}\n")[1].split("\n## ")[0]
    found: list[str] = []
    lines: list[str] = []
    for line in [*text.splitlines(), "end"]:
        if line.startswith("    ") or (not line and lines):
            lines.append(line[4:])
        elif lines:
            found.append("\n".join(lines).strip("\n"))
            lines = []
    return found


def command_lines() -> list[list[str]]:
    """Every call of the program in the guide, as its arguments."""
    found = []
    for section in PAGE.sections:
        for block in blocks(section.title):
            for text in PROGRAM.findall(block.replace('\\"', '"')):
                line = text.replace("\\%", "%").rstrip('",')
                found.append(shlex.split(line + ('"' if line.count('"') % 2 else ""), posix=True))
    return found


COMMANDS = [words for words in command_lines() if words[0] != "is"]


def test_the_guide_shows_every_way_to_start_the_program() -> None:
    assert [section.title for section in PAGE.sections] == [
        "The command", "cron", "systemd", "Windows Task Scheduler", "GitHub Actions", "Airflow", "What to keep",
    ]  # fmt: skip
    assert len(COMMANDS) >= 12
    assert {words[0] for words in COMMANDS} == {"run", "watch", "alerts", "report"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_one_that_the_program_takes(words: list[str]) -> None:
    assert parsed(words).command == words[0]
    assert words[1].replace("C:loans", r"C:\loans") in WORKSPACES


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] != "watch"], ids=" ".join)
def test_every_command_that_ends_can_be_run(
    mlops_desk: CommandLine, workspace: Path, tmp_path: Path, words: list[str]
) -> None:
    name, _, *rest = words
    if "-o" in rest:
        place = rest.index("-o") + 1
        rest[place] = str(tmp_path / Path(rest[place]).name)
    assert mlops_desk(name, workspace, *rest) == (1 if "--fail-on" in rest else 0)
    if "-o" in rest:
        assert Path(rest[rest.index("-o") + 1]).stat().st_size > 0


def test_exit_codes_are_those_of_the_command_line() -> None:
    from mlops_desk.cli.arguments import EXIT_CODES

    known = set(re.findall(r"^  (\d+) ", EXIT_CODES, re.MULTILINE))
    told = set(re.findall(r"^(\d+) ", blocks("The command")[1], re.MULTILINE))
    assert told <= known
    assert {"0", "1", "2", "4", "70"} == told


def test_crontab_lines_are_times_and_commands() -> None:
    (crontab,) = blocks("cron")
    for line in crontab.splitlines():
        *times, command = line.split(maxsplit=5)
        assert croniter.is_valid(" ".join(times))
        assert re.search(r"(?<!\\)%", command) is None
        subprocess.run(["bash", "-n", "-c", command.replace("\\%", "%")], check=True)


def test_units_are_those_of_systemd(tmp_path: Path) -> None:
    service, timer, command = blocks("systemd")
    read = {}
    for name, text in (("loans-monitor.service", service), ("loans-monitor.timer", timer)):
        unit = configparser.ConfigParser(interpolation=None, delimiters=("=",))
        unit.optionxform = str  # type: ignore[method-assign,assignment]
        unit.read_string(text)
        read[name] = {section: dict(unit[section]) for section in unit.sections()}
    assert read["loans-monitor.service"]["Service"]["SuccessExitStatus"] == "4"
    assert read["loans-monitor.service"]["Service"]["ExecStart"].endswith("mlops-desk run /srv/loans --fail-on alert")
    assert set(read["loans-monitor.timer"]) == {"Unit", "Timer", "Install"}
    assert command.endswith("loans-monitor.timer")
    if shutil.which("systemd-analyze"):
        moment = read["loans-monitor.timer"]["Timer"]["OnCalendar"]
        subprocess.run(["systemd-analyze", "calendar", moment], check=True, capture_output=True)


def test_the_windows_task_runs_one_command() -> None:
    (line,) = blocks("Windows Task Scheduler")
    words = dict(zip(*[iter(shlex.split(line)[2:])] * 2, strict=True))
    assert set(words) == {"/TN", "/SC", "/ST", "/TR"}
    assert words["/TR"].startswith('"C:\\Program Files\\MLOps Desk\\mlops-desk.exe" run C:\\loans ')


def test_the_workflow_is_one() -> None:
    (text,) = blocks("GitHub Actions")
    workflow = yaml.safe_load(text)
    (cron,) = workflow[True]["schedule"]  # YAML takes the word `on` for true
    assert croniter.is_valid(cron["cron"])
    steps = workflow["jobs"]["judge"]["steps"]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    for step in steps:
        if "run" in step:
            subprocess.run(["bash", "-n", "-c", step["run"]], check=True)
    judge = next(place for place, step in enumerate(steps) if "--annotations" in step.get("run", ""))
    assert all(step.get("if") == "${{ !cancelled() }}" for step in steps[judge + 1 :])


def test_the_dag_is_python_with_commands_in_it() -> None:
    (text,) = blocks("Airflow")
    tree = ast.parse(text)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    given = {
        word.arg: ast.literal_eval(word.value) for call in calls for word in call.keywords if word.arg != "start_date"
    }
    assert croniter.is_valid(given["schedule"])
    assert given["max_active_runs"] == 1
    assert given["skip_on_exit_code"] == 4
