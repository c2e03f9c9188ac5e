"""The frozen program's entry: it is what it is called by, lends its interpreter, and hands its libraries to no other program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_desk import __version__
from mlops_desk.frozen import restore_environment

CHECKOUT = Path(__file__).resolve().parents[2]


def called(name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Call the entry under a name, as the frozen program does."""
    code = f"import sys; sys.argv = {[f'/opt/{name}', *arguments]!r}; from mlops_desk.frozen import main; main()"
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", **variables}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
    )


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return called("mlops-desk-python", *arguments, **variables)


def test_the_name_decides_what_the_program_is() -> None:
    assert called("mlops-desk", "--version").stdout == f"mlops-desk {__version__}\n"
    assert python("--version").stdout == f"Python {sys.version.split()[0]}\n"


def test_a_script_finds_its_arguments_and_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("word = 'found'")
    script = tmp_path / "train.py"
    script.write_text("import sys, neighbour; print(__name__, sys.argv[1:], neighbour.word); sys.exit(7)")
    done = python("-u", str(script), "--run", "x y")
    assert (done.stdout, done.returncode) == ("__main__ ['--run', 'x y'] found\n", 7)


def test_modules_and_code_run_as_python_runs_them(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text("import sys; print(__name__, sys.argv)")
    done = python("-m", "tool", "a", PYTHONPATH=str(tmp_path))
    assert done.stdout == f"__main__ {[str(tmp_path / 'tool.py'), 'a']}\n"
    assert python("-c", "import sys; print(sys.argv)", "b").stdout == "['-c', 'b']\n"


def test_sys_executable_is_the_interpreter_so_that_scripts_can_start_others() -> None:
    done = python("-c", "import sys; print(sys.executable)")
    assert Path(done.stdout.strip()).name == "mlops-desk-python"


def test_a_library_that_is_not_brought_along_is_told_with_the_way_out(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import no_such_library")
    done = python(str(script))
    assert done.returncode == 1
    assert "No module named 'no_such_library'" in done.stderr
    assert 'command = ["python3", "train.py"]' in done.stderr


def test_what_a_script_raises_is_told_in_a_traceback(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("1 / 0")
    done = python(str(script))
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_scripts_may_start_worker_processes_as_python_does() -> None:
    """With the flags that multiprocessing and joblib hand on."""
    assert python("-BS", "-I", "-X", "utf8", "-Werror", "-c", "print(1)").stdout == "1\n"
    code = (
        "import multiprocessing.spawn as s, sys; print(s.get_executable() in (sys.executable, sys.executable.encode()))"
    )
    assert python("-c", code).stdout == "True\n"


@pytest.mark.parametrize("arguments", [(), ("-m",), ("-c",), ("-Z", "x.py")])
def test_unknown_usage_is_refused_with_the_usage(arguments: tuple[str, ...]) -> None:
    done = python(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: mlops-desk-python")


def test_a_missing_script_is_told_in_one_line() -> None:
    done = python("nowhere.py")
    assert (done.returncode, done.stderr) == (1, "mlops-desk-python: there is no file nowhere.py\n")


def test_other_programs_get_the_library_path_that_the_user_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_MEIPASS", "/opt/mlops-desk/_internal", raising=False)
    ours = {"LD_LIBRARY_PATH": "/opt/mlops-desk/_internal:/usr/local/lib", "_PYI_ARCHIVE_FILE": "x", "HOME": "h"}
    before = {**ours, "LD_LIBRARY_PATH_ORIG": "/usr/local/lib"}
    restore_environment(before)
    assert before == {"LD_LIBRARY_PATH": "/usr/local/lib", "HOME": "h"}
    restore_environment(ours)
    assert ours == {"HOME": "h"}
    users = {"LD_LIBRARY_PATH": "/usr/local/lib"}
    restore_environment(users)
    assert users == {"LD_LIBRARY_PATH": "/usr/local/lib"}
