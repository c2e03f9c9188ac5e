"""Nothing of a workspace is trusted until somebody on this machine agreed to what it could run, and no longer than that stays so."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlops_desk import trust
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Desk, Labels, Logs, Model, ObjectAccess, Reference
from mlops_desk.domain.retraining import Gate, HttpCall, RetrainingSpec, RunEnvironment, TriggerKind, TriggerSpec
from mlops_desk.domain.schema import ColumnRoles
from mlops_desk.domain.slicing import ChunkRule

SPEC = RetrainingSpec(
    command=("python", "train.py", "--run", "{run_folder}"),
    cwd="training",
    environment=RunEnvironment(passed=("PATH",), set=(("STAGE", "prod"),), secrets=("TOKEN",)),
)
GATE = Gate(
    promote_command=("python", "promote.py", "a b"), promote_mlflow=(("name", "car-loan"), ("alias", "champion"))
)
PLAIN = Model(
    id="car-loan",
    name="Car loan",
    task=None,
    logs=Logs(paths=("logs/*.parquet",)),
    reference=Reference(paths=("reference.parquet",)),
    columns=ColumnRoles(),
    chunks=ChunkRule(size=100),
)
MODEL = replace(PLAIN, retraining=SPEC, gate=GATE)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv(trust.HOME_VARIABLE, str(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "workspace").mkdir()
    return tmp_path / "workspace"


def desk(folder: Path, *models: Model) -> Desk:
    return Desk(name="d", folder=folder, file=folder / "desk.toml", models=models or (MODEL,))


def records(home: Path) -> list[Path]:
    return list(home.rglob("*.*"))


def test_is_trusted_between_agreement_and_revocation(folder: Path, home: Path) -> None:
    assert not trust.trusted(desk(folder))
    trust.trust(desk(folder))
    assert trust.trusted(desk(folder))
    [record] = records(home)
    assert json.loads(record.read_text()) == {
        "version": 1,
        "folder": str(folder),
        "hash": trust.content_hash(desk(folder)),
    }
    trust.untrust(desk(folder))
    assert not trust.trusted(desk(folder))
    trust.untrust(desk(folder))


@pytest.mark.parametrize(
    "changed",
    [
        replace(MODEL, id="car-loan-2"),
        replace(MODEL, retraining=replace(SPEC, command=("python", "other.py"))),
        replace(MODEL, retraining=replace(SPEC, command=("python train.py", "--run", "{run_folder}"))),
        replace(MODEL, retraining=replace(SPEC, cwd=".")),
        replace(MODEL, retraining=replace(SPEC, environment=replace(SPEC.environment, passed=("PATH", "HOME")))),
        replace(MODEL, retraining=replace(SPEC, environment=replace(SPEC.environment, set=(("STAGE", "test"),)))),
        replace(MODEL, retraining=replace(SPEC, environment=replace(SPEC.environment, secrets=("AWS_KEY",)))),
        replace(MODEL, retraining=replace(SPEC, command=(), http=HttpCall(url="https://a.example/"))),
        replace(MODEL, gate=replace(GATE, promote_command=("rm",))),
        replace(MODEL, gate=replace(GATE, promote_mlflow=(("name", "other"),))),
        replace(MODEL, gate=replace(GATE, candidate="s3://bucket/candidate.parquet")),
        replace(MODEL, logs=Logs(paths=("s3://bucket/*.parquet",))),
        replace(MODEL, reference=Reference(paths=("abfs://a@b/c.parquet",))),
        replace(MODEL, logs=Logs(paths=MODEL.logs.paths, access=ObjectAccess(endpoint="https://a.example"))),
        replace(MODEL, logs=Logs(paths=MODEL.logs.paths, access=ObjectAccess(region="eu-west-1"))),
        replace(MODEL, labels=Labels(paths=("\\\\server\\share\\x.parquet",), key="id", target="y")),
    ],
)
def test_a_change_of_what_could_run_ends_the_trust(folder: Path, changed: Model) -> None:
    trust.trust(desk(folder))
    assert not trust.trusted(desk(folder, changed))
    assert not trust.trusted(desk(folder, MODEL, changed))
    assert trust.trusted(desk(folder))


def test_a_change_of_anything_else_keeps_it(folder: Path) -> None:
    trust.trust(desk(folder))
    changed = replace(
        MODEL,
        name="Other",
        logs=Logs(paths=("elsewhere/", "C:/logs/*.parquet", "file:///logs"), filter="country = 'DE'"),
        triggers=(TriggerSpec(kind=TriggerKind.DATA, min_new_rows=1),),
    )
    assert trust.trusted(desk(folder, changed, replace(PLAIN, id="another")))


def test_a_copy_elsewhere_is_not_trusted_but_a_link_to_the_place_is(folder: Path, tmp_path: Path) -> None:
    trust.trust(desk(folder))
    (tmp_path / "copy").mkdir()
    assert not trust.trusted(desk(tmp_path / "copy"))
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    assert trust.trusted(desk(tmp_path / "link"))


def test_what_runs_nothing_needs_no_trust(folder: Path, home: Path) -> None:
    assert trust.trusted(desk(folder, PLAIN))
    assert trust.runnable_parts(desk(folder, PLAIN)) == ()
    assert not home.exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"hash": null}', "\xff"])
def test_a_damaged_record_is_no_agreement(folder: Path, home: Path, damage: str) -> None:
    trust.trust(desk(folder))
    [record] = records(home)
    record.write_bytes(damage.encode("latin-1"))
    assert not trust.trusted(desk(folder))


def test_tells_all_that_could_run_without_obeying_it(folder: Path) -> None:
    sly = replace(MODEL, id="sly", retraining=replace(SPEC, command=("sh", "-c", "x\x1b[2K\r; rm -rf ~")), gate=None)
    call = HttpCall(url="https://a.example/runs", headers=(("Authorization", "Bearer {TOKEN}"),), body="{reason}")
    remote = replace(
        PLAIN,
        id="far",
        logs=Logs(paths=("s3://bucket/x",), access=ObjectAccess(endpoint="https://s3.example")),
        retraining=RetrainingSpec(command=(), http=call, environment=RunEnvironment(secrets=("TOKEN",))),
    )
    assert trust.runnable_parts(desk(folder, MODEL, sly, remote)) == (
        "car-loan: runs in training: python train.py --run '{run_folder}'",
        "car-loan: sets STAGE=prod",
        "car-loan: passes on PATH",
        "car-loan: is given the secrets TOKEN",
        "car-loan: promotes by: python promote.py 'a b'",
        "car-loan: promotes in MLflow: name car-loan, alias champion",
        "sly: runs in training: sh -c 'x\\x1b[2K\\r; rm -rf ~'",
        "sly: sets STAGE=prod",
        "sly: passes on PATH",
        "sly: is given the secrets TOKEN",
        "far: calls POST https://a.example/runs",
        "far: sends the header Authorization: Bearer {TOKEN}",
        "far: sends {reason}",
        "far: is given the secrets TOKEN",
        "far: reads s3://bucket/x",
        "far: asks https://s3.example for objects",
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps access rights elsewhere")
def test_only_the_user_can_read_or_change_the_records(folder: Path, home: Path) -> None:
    trust.trust(desk(folder))
    [record] = records(home)
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert stat.S_IMODE(record.parent.stat().st_mode) == 0o700


def test_says_why_it_cannot_write(folder: Path, home: Path) -> None:
    home.write_text("a file where a folder should be")
    with pytest.raises(UserError, match=r"trusted/\w+\.json cannot be written, so nothing is trusted: "):
        trust.trust(desk(folder))
    with pytest.raises(
        UserError, match=r"trusted/\w+\.json cannot be read, so it is unknown what this machine trusts: "
    ):
        trust.trusted(desk(folder))
    with pytest.raises(UserError, match=r"trusted/\w+\.json cannot be removed, so the workspace stays trusted: "):
        trust.untrust(desk(folder))


def test_a_failed_write_leaves_the_agreement_of_before(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust.trust(desk(folder))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        trust.trust(desk(folder, PLAIN))
    assert trust.trusted(desk(folder))
    assert len(records(home)) == 1


def test_without_the_variable_records_are_in_the_configuration_folder_of_the_user(tmp_path: Path) -> None:
    look = "from mlops_desk.trust import _home; print(_home())"
    environment = {name: value for name, value in os.environ.items() if name != trust.HOME_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", look],
        env=environment | {"XDG_CONFIG_HOME": str(tmp_path)},
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    expected = str(tmp_path / "mlops-desk") if sys.platform == "linux" else "mlops-desk"
    assert done.stdout.strip().endswith(expected)
