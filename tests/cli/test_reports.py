"""`report`: every format, role, language and period, the same bytes for the same moment, and one clear line where it cannot be done."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import CommandLine

ROOT = Path(__file__).parents[2]
ENDINGS = ("html", "pdf", "md", "json", "xml")


def test_reports(mlops_desk: CommandLine, evaluated: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert mlops_desk("report", evaluated, "-o", page, "--as-of", "2026-02-01T00:00Z") == 0
    assert "Small" in page.read_text(encoding="utf-8")
    document = tmp_path / "report.json"
    assert mlops_desk("report", evaluated, "-o", document, "--from", "2026-01-12", "--to", "2026-01-14") == 0
    (model,) = json.loads(document.read_text(encoding="utf-8"))["models"]
    assert [chunk["start"][:10] for chunk in model["overview"]["chunks"]] == ["2026-01-12", "2026-01-13"]
    for name, head in (("report.pdf", b"%PDF-"), ("report.md", b"# Small: ")):
        assert mlops_desk("report", evaluated, "-o", tmp_path / name) == 0
        assert (tmp_path / name).read_bytes().startswith(head)
    for name in ("report.docx", "report"):
        assert mlops_desk("report", evaluated, "-o", tmp_path / name) == 2
        assert ".html, .pdf, .md, .json or .xml" in mlops_desk.err
    assert mlops_desk("report", evaluated, "-o", tmp_path / "none" / "report.html") == 2
    assert "cannot be written" in mlops_desk.err
    assert mlops_desk("report", evaluated, "-o", page, "--from", "2026-01-14", "--to", "2026-01-12") == 2
    assert "--to must be later" in mlops_desk.err
    assert mlops_desk("report", evaluated, "-o", page, "--from", "2031-01-14") == 2
    assert "no chunk lies in the period from 2031-01-14T00:00:00; those of small are " in mlops_desk.err
    assert mlops_desk.err.count("\n") == 1


def test_a_report_as_of_a_moment_is_the_same_bytes_anywhere(evaluated: Path, tmp_path: Path) -> None:
    for place, (zone, locale) in enumerate(
        (("UTC", "C.UTF-8"), ("Asia/Tokyo", "C"), ("America/New_York", "zh_CN.UTF-8"))
    ):
        environment = {**os.environ, "TZ": zone, "LC_ALL": locale, "LANG": locale, "PYTHONHASHSEED": str(place)}
        script = (
            "import sys; from mlops_desk.cli.entry import main; more = ['--as-of', '2026-02-01', '--lang', 'zh'];"
            "sys.exit(sum(main(['report', sys.argv[1], '-o', one, *more], None) for one in sys.argv[2:]))"
        )
        names = [str(tmp_path / f"{place}.{ending}") for ending in ENDINGS]
        command = [sys.executable, "-c", script, str(evaluated), *names]
        subprocess.run(command, check=True, env=environment, cwd=ROOT)
    for ending in ENDINGS:
        first, *others = [(tmp_path / f"{place}.{ending}").read_bytes() for place in range(3)]
        assert first
        assert all(other == first for other in others), ending


def test_checks_are_for_a_build_server(mlops_desk: CommandLine, evaluated: Path, tmp_path: Path) -> None:
    file = tmp_path / "checks.xml"
    assert mlops_desk("report", evaluated, "-o", file, "--model", "small", "--as-of", "2026-02-01") == 0
    root = ElementTree.parse(file).getroot()
    alerts = [alert for alert in mlops_desk.document("alerts", evaluated) if alert["severity"] == "alert"]
    assert int(root.attrib["failures"]) == len(alerts) > 0
    assert [suite.attrib["name"] for suite in root] == ["small"]


def test_metrics_of_one_model_for_excel(mlops_desk: CommandLine, evaluated: Path, tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    assert mlops_desk("metrics", evaluated, "-o", file, "--excel", "--model", "small") == 0
    assert file.read_bytes().startswith(b"\xef\xbb\xbfmodel,")
    assert mlops_desk("metrics", evaluated, "-o", tmp_path / "m.json", "--excel") == 2
    assert "only a .csv file can be written for Excel" in mlops_desk.err
    assert mlops_desk("metrics", evaluated, "-o", file, "--model", "smal") == 2
    assert "did you mean small?" in mlops_desk.err


def test_roles_are_shown_what_they_ask_for(mlops_desk: CommandLine, evaluated: Path, tmp_path: Path) -> None:
    texts = {}
    for role in ("operator", "engineer", "manager"):
        file = tmp_path / f"{role}.md"
        assert mlops_desk("report", evaluated, "-o", file, "--role", role, "--as-of", "2026-02-01") == 0
        texts[role] = file.read_text(encoding="utf-8")
    assert "## Drift matrix" in texts["engineer"]
    assert "## Freshness and data quality" in texts["operator"]
    assert "## Trend and value" in texts["manager"]
    assert mlops_desk("report", evaluated, "-o", tmp_path / "x.md", "--role", "boss") == 2
    assert "invalid choice: 'boss'" in mlops_desk.err


BLOCKING = """
import sys
class NoQt:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("PySide6", "shiboken6", "pyqtgraph", "qtawesome"):
            raise ImportError(f"{name} is not to be imported here")
sys.meta_path.insert(0, NoQt())
from mlops_desk.cli.entry import main
sys.exit(sum(main(["report", sys.argv[1], "-o", one], None) for one in sys.argv[2:]))
"""


def test_reports_need_no_qt(evaluated: Path, tmp_path: Path) -> None:
    names = [str(tmp_path / f"r.{ending}") for ending in ENDINGS]
    subprocess.run([sys.executable, "-c", BLOCKING, str(evaluated), *names], check=True, cwd=ROOT)
    assert all(Path(name).stat().st_size > 1000 for name in names)


@pytest.mark.skipif(os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(mlops_desk: CommandLine, evaluated: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert mlops_desk("report", evaluated, "-o", locked / "r.html") == 2
    assert "cannot be written (Permission denied)" in mlops_desk.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-o", "r.docx"], "r.docx: reports are written as .html, .pdf, .md, .json or .xml, and .docx is none of them"),
        (["-o", "none/r.pdf"], "none/r.pdf: cannot be written (No such file or directory): choose another place with -o"),
        (["-o", "r.html", "--model", "smal"], "there is no model 'smal'; did you mean small?"),
        (["-o", "r.html", "--from", "2031-01-01"], "no chunk lies in the period from 2031-01-01T00:00:00; those of small are "),
        (["-o", "r.md", "--from", "2026-02-02", "--to", "2026-02-02"], "--to must be later than --from"),
        (["-o", "r.html", "--from", "yesterday"], "must be a date or time such as 2026-11-02"),
        (["-o", "r.html", "--lang", "fr"], "invalid choice: 'fr'"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line(
    mlops_desk: CommandLine,
    evaluated: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert mlops_desk("report", evaluated, *arguments) == 2
    assert told in mlops_desk.err
    assert mlops_desk.err.count("\n") == 1
    assert mlops_desk.out == ""
    assert list(tmp_path.iterdir()) == []
