"""Logs in an object store are evaluated to the same values as the same files in a folder, whatever arrives, is rewritten or goes away."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_desk import trust
from mlops_desk.config.desk_file import read_desk
from mlops_desk.domain.errors import Cancelled
from mlops_desk.domain.progress import CancelToken, Progress
from mlops_desk.monitoring.inputs import COPIES, find_inputs
from mlops_desk.warehouse import object_listing
from mlops_desk.warehouse.discovery import SourceFile
from tests.monitoring.desks import (
    BY_PATH,
    BY_PERIOD,
    COLUMNS,
    DAILY,
    LABELS,
    LOGS,
    REFERENCE_DAYS,
    assert_same,
    kept,
    run,
    write_day,
    write_desk,
    write_labels,
)
from tests.s3 import BUCKET, Bucket, Proxy, use

DAYS = 9
LONG_SECONDS = 60.0


@pytest.fixture(autouse=True)
def old_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes every object for one that was written long ago, so that no test depends on when it runs."""
    monkeypatch.setattr(object_listing, "YOUNG_SECONDS", -1e9)


def remote(text: str, bucket: Bucket) -> str:
    """Sections of a desk.toml with their paths below the bucket's prefix."""
    return text.replace('path = "', f'path = "{bucket.url}/')


def trusted_desk(folder: Path, bucket: Bucket, *parts: str) -> Path:
    write_desk(folder, *(remote(part, bucket) for part in parts))
    trust.trust(read_desk(folder))
    return folder


def copies(folder: Path) -> list[Path]:
    return sorted((folder / COPIES).rglob("*.parquet"))


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A workspace with log, reference and labels in folders."""
    folder = tmp_path / "local"
    for day in range(REFERENCE_DAYS):
        write_day(folder / "reference", day)
    for day in range(REFERENCE_DAYS, DAYS):
        write_day(folder / "logs", day)
    write_labels(folder, "a", range(DAYS), share=0.8)
    write_desk(folder, LOGS, BY_PATH, LABELS, COLUMNS, DAILY)
    return folder


@pytest.fixture
def far(tmp_path: Path, local: Path, bucket: Bucket) -> Path:
    """The same workspace with everything in the bucket."""
    for part in ("logs", "reference", "labels"):
        bucket.put_folder(local / part, part)
    return trusted_desk(tmp_path / "far", bucket, LOGS, BY_PATH, LABELS, COLUMNS, DAILY)


def test_the_values_are_those_of_the_same_files_in_a_folder(local: Path, far: Path) -> None:
    expected, found = run(local), run(far)
    assert found.failure is None
    assert found.rows_scanned == expected.rows_scanned
    assert_same(kept(far), kept(local), within=1e-12, bounds_within=1e-12)


def test_only_what_is_new_or_rewritten_is_fetched_and_what_is_gone_leaves_no_trace(
    local: Path, far: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run(local), run(far)
    with Proxy(bucket.endpoint) as proxy:
        use(monkeypatch, proxy.endpoint, tmp_path / "aws")
        assert not run(far).changed
        assert proxy.asked("GET", r"\.parquet") == 0, "nothing is new"
        for folder in (local / "logs",):
            write_day(folder, DAYS)
            write_day(folder, DAYS - 2, seed=1)
            (folder / f"{DAYS - 1:02}.parquet").unlink()
        bucket.put(f"logs/{DAYS:02}.parquet", (local / "logs" / f"{DAYS:02}.parquet").read_bytes())
        bucket.put(f"logs/{DAYS - 2:02}.parquet", (local / "logs" / f"{DAYS - 2:02}.parquet").read_bytes())
        bucket.remove(f"logs/{DAYS - 1:02}.parquet")
        write_labels(local, "b", [DAYS])
        bucket.put("labels/b.parquet", (local / "labels" / "b.parquet").read_bytes())
        run(local), run(far)
        assert proxy.asked("GET", r"\.parquet") == 3
    assert_same(kept(far), kept(local), within=1e-12)
    assert len(copies(far)) == len(bucket.keys())
    assert f"{DAYS - 1:02}.parquet" not in {copy.name for copy in copies(far)}


def test_a_full_run_reads_the_copies(
    far: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run(far)
    before = kept(far)
    with Proxy(bucket.endpoint) as proxy:
        use(monkeypatch, proxy.endpoint, tmp_path / "aws")
        assert run(far, full=True).changed
        assert proxy.asked("GET", r"\.parquet") == 0
    assert_same(kept(far), before, within=1e-12)


def test_copies_that_were_thrown_away_are_fetched_when_they_are_needed(far: Path) -> None:
    run(far)
    before = kept(far)
    shutil.rmtree(far / COPIES)
    assert not run(far).changed
    assert not (far / COPIES).exists(), "a listing tells that nothing is new"
    run(far, full=True)
    assert_same(kept(far), before, within=1e-12)


def test_an_object_that_is_rewritten_within_its_second_is_seen(
    local: Path, far: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_listing, "YOUNG_SECONDS", 1e9)
    name = f"{DAYS - 1:02}.parquet"
    first, second = pq.read_table(local / "logs" / name), pq.read_table(write_day(local / "other", DAYS - 1, seed=1))
    bodies = []
    for table in (first, second):
        pq.write_table(
            table.drop_columns(["x", "kind", "version", "score"]),
            local / "one.parquet",
            use_dictionary=False,
            compression="none",
        )
        bodies.append((local / "one.parquet").read_bytes())
    assert len(bodies[0]) == len(bodies[1])
    desk = read_desk(far)

    def seen() -> SourceFile:
        (found,) = [file for file in find_inputs(desk, desk.models[0]).log if file.path.name == name]
        return found

    while True:  # until both are written in one second
        bucket.put(f"logs/{name}", bodies[0])
        before = seen()
        bucket.put(f"logs/{name}", bodies[1])
        if seen().modified == before.modified:
            break
    assert seen().size == before.size
    assert seen().fingerprint != before.fingerprint
    run(far)
    (copy,) = [copy for copy in copies(far) if copy.name == name]
    assert copy.read_bytes() == bodies[1]
    bucket.put(f"logs/{name}", bodies[0])
    assert run(far).changed


def test_partitions_lists_and_names_in_any_script(tmp_path: Path, bucket: Bucket) -> None:
    local = tmp_path / "local"
    names = ["kind of=a/läuft schön.parquet", "kind of=b%3Ac/日次.parquet", "kind of=b%3Ac/x[1]*?.parquet"]
    days = [[0, 1, 2, 3], [4, 5], [6, 7]]
    for name, some in zip(names, days, strict=True):
        tables = [pq.read_table(write_day(tmp_path / "days", day)) for day in some]
        (local / "logs" / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.concat_tables(tables), local / "logs" / name)
    write_day(local / "more", 8)
    parts = ('[models.logs]\npath = ["logs", "more/*.parquet"]\n', BY_PERIOD, COLUMNS, DAILY)
    write_desk(local, *parts)
    for part in ("logs", "more"):
        bucket.put_folder(local / part, part)
    bucket.put("logs/_temporary/half.parquet", b"PAR1")
    bucket.put("logs/kind of=a/.hidden.parquet", b"PAR1")
    bucket.put("logs/notes.txt", b"no table")
    logs = f'[models.logs]\npath = ["{bucket.url}/logs", "{bucket.url}/more/*.parquet"]\n'
    far = tmp_path / "far"
    write_desk(far, logs, BY_PERIOD, COLUMNS, DAILY)
    trust.trust(read_desk(far))
    expected, found = run(local), run(far)
    assert (expected.failure, found.failure) == (None, None)
    assert_same(kept(far), kept(local), within=1e-12)
    assert any(key[6] == "kind of" for key in kept(far).values), "a partition is a column"


def test_a_torn_object_is_left_out_by_its_whole_name(far: Path, local: Path, bucket: Bucket) -> None:
    name = f"{DAYS - 1:02}.parquet"
    bucket.put(f"logs/{name}", (local / "logs" / name).read_bytes()[:-9])
    outcome = run(far)
    (note,) = [note for note in outcome.notes if note.code == "file_quarantined"]
    assert note.place == f"{bucket.url}/logs/{name}"
    assert note.text.startswith(f"{bucket.url}/logs/{name} of the log is left out")
    (local / "logs" / name).write_bytes((local / "logs" / name).read_bytes()[:-9])
    run(local)
    assert_same(kept(far), kept(local), within=1e-12)


@pytest.mark.slow
def test_two_hundred_small_objects(tmp_path: Path, bucket: Bucket) -> None:
    local = tmp_path / "local"
    for day in range(10):
        table = pq.read_table(write_day(tmp_path / "days", day))
        for part in range(20):
            path = local / "logs" / f"day={day}" / f"{part:02}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table.slice(part * 2, 2), path)
    parts = (LOGS, BY_PERIOD, COLUMNS + 'ignore = ["day"]\n', DAILY)
    write_desk(local, *parts)
    bucket.put_folder(local / "logs", "logs")
    far = trusted_desk(tmp_path / "far", bucket, *parts)
    stages: list[Progress] = []
    run(local), run(far, progress=stages.append)
    assert_same(kept(far), kept(local), within=1e-12)
    assert len(copies(far)) == 200
    told = [one for one in stages if "fetching objects" in one.stage]
    assert told
    assert [one.share for one in stages] == sorted(one.share for one in stages), "progress does not go back"


def test_a_cancel_ends_a_fetch_at_once_and_the_next_run_goes_on(
    far: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("mlops_desk.warehouse.object_systems.ANSWER_SECONDS", LONG_SECONDS)
    stuck = f"{DAYS - 1:02}.parquet"

    def answer(method: str, path: str) -> str | None:
        return "hang" if method == "GET" and path.endswith(stuck) else None

    with Proxy(bucket.endpoint, answer) as proxy:
        use(monkeypatch, proxy.endpoint, tmp_path / "aws")
        token = CancelToken()
        whole = len(bucket.keys()) - 1

        def watched(one: Progress) -> None:
            if f"{whole} of" in one.stage and proxy.hanging.is_set():
                token.cancel()

        began = time.monotonic()
        with pytest.raises(Cancelled):
            run(far, cancel=token, progress=watched)
        assert time.monotonic() - began < LONG_SECONDS / 2, "nobody waits for what hangs"
        assert len(copies(far)) == whole
        assert not any((far / COPIES / ".unfinished").iterdir())
        proxy.answer = lambda method, path: None
        proxy.requests.clear()
        assert run(far).failure is None
        assert proxy.asked("GET", r"\.parquet") == 1, "only what was missing"


@pytest.mark.parametrize("fault", [503, 500, 429, "cut"])
def test_what_fails_for_a_moment_is_asked_again(
    far: Path, local: Path, bucket: Bucket, fault: int | str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("mlops_desk.warehouse.object_store.FIRST_PAUSE_SECONDS", 0.001)
    seen: dict[tuple[str, str], int] = {}

    def answer(method: str, path: str) -> int | str | None:
        seen[method, path] = seen.get((method, path), 0) + 1
        return fault if seen[method, path] == 1 and (fault != "cut" or method == "GET") else None

    with Proxy(bucket.endpoint, answer) as proxy:
        use(monkeypatch, proxy.endpoint, tmp_path / "aws")
        assert run(far).failure is None
    run(local)
    assert_same(kept(far), kept(local), within=1e-12)


@pytest.mark.slow
def test_a_store_that_does_not_answer_is_waited_for_only_so_long(
    far: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("mlops_desk.warehouse.object_store.FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("mlops_desk.warehouse.object_systems.ANSWER_SECONDS", 1.0)
    with Proxy(bucket.endpoint, lambda method, path: "hang") as proxy:
        use(monkeypatch, proxy.endpoint, tmp_path / "aws")
        failure = run(far).failure
        assert failure is not None
        assert "does not answer as it should" in failure
        assert proxy.connections >= 4


Break = Callable[[Path, Bucket], None]


def missing_bucket(far: Path, bucket: Bucket) -> None:
    file = far / "desk.toml"
    file.write_text(file.read_text().replace(BUCKET, "no-such-bucket"))
    trust.trust(read_desk(far))


def missing_folder(far: Path, bucket: Bucket) -> None:
    file = far / "desk.toml"
    file.write_text(file.read_text().replace("/logs", "/lost"))
    trust.trust(read_desk(far))


def missing_pattern(far: Path, bucket: Bucket) -> None:
    file = far / "desk.toml"
    file.write_text(file.read_text().replace("/logs", "/logs/*.pq"))
    trust.trust(read_desk(far))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (missing_bucket, "reference.path: there is no bucket no-such-bucket"),
        (missing_folder, "logs.path: there is no object or folder s3://"),
        (missing_pattern, "no Parquet file is found under s3://"),
    ],
)
def test_what_is_not_there_is_told_by_its_key(far: Path, bucket: Bucket, fault: Break, words: str) -> None:
    fault(far, bucket)
    failure = run(far).failure
    assert failure is not None
    assert words in failure
    assert "desk.toml:" in failure
    assert "\n" not in failure


@pytest.mark.parametrize(
    ("method", "status", "words"),
    [("GET", 403, "access to s3://"), ("HEAD", 403, "access to s3://"), ("GET", 301, "another region")],
)
def test_what_a_store_refuses_is_told_with_the_way_out(
    far: Path, bucket: Bucket, method: str, status: int, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Proxy(bucket.endpoint, lambda asked, path: status if asked == method else None) as proxy:
        use(monkeypatch, proxy.endpoint, tmp_path / "aws")
        failure = run(far).failure
    assert failure is not None
    assert words in failure
    assert "secret" not in failure


def test_without_credentials_the_error_says_where_to_put_them(
    far: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Proxy(bucket.endpoint, lambda method, path: 403) as proxy:
        use(monkeypatch, proxy.endpoint, tmp_path / "aws")
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        failure = run(far).failure
    assert failure is not None
    assert "set AWS_ACCESS_KEY_ID" in failure


def test_nothing_of_an_untrusted_workspace_makes_a_connection(
    far: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trust.untrust(read_desk(far))
    with Proxy(bucket.endpoint) as proxy:
        use(monkeypatch, proxy.endpoint, tmp_path / "aws")
        failure = run(far).failure
        assert failure is not None
        assert f"mlops-desk trust {far}" in failure
        assert proxy.connections == 0
        trust.trust(read_desk(far))
        assert run(far).failure is None
        assert proxy.connections > 0, "the proxy does count"


def test_a_network_share_is_another_machine_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(trust.HOME_VARIABLE, str(tmp_path / "home"))
    write_desk(tmp_path, '[models.logs]\npath = "//server/share/logs"\n', BY_PERIOD, COLUMNS, DAILY)
    failure = run(tmp_path).failure
    assert failure is not None
    assert "//server/share/logs lies on another machine" in failure
    trust.trust(read_desk(tmp_path))
    failure = run(tmp_path).failure
    assert failure is not None
    assert "there is no file or folder" in failure


def test_endpoint_region_and_profile_come_from_desk_toml_or_the_usual_files(
    far: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Proxy(bucket.endpoint) as proxy:
        use(monkeypatch, "", tmp_path / "aws")
        for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        (tmp_path / "aws").mkdir()
        (tmp_path / "aws" / "config").write_text(
            f"[profile team]\nregion = eu-west-3\nendpoint_url = {proxy.endpoint}\n"
        )
        (tmp_path / "aws" / "credentials").write_text(
            "[team]\naws_access_key_id = AKIDTEAM\naws_secret_access_key = hush\n"
        )
        monkeypatch.setenv("AWS_PROFILE", "team")
        assert run(far).failure is None
        assert "Credential=AKIDTEAM/" in proxy.authorizations[-1]
        assert "/eu-west-3/s3/" in proxy.authorizations[-1]
        file = far / "desk.toml"
        text = file.read_text().replace('/logs"\n', f'/logs"\nregion = "ap-south-1"\nendpoint = "{proxy.endpoint}"\n')
        file.write_text(text)
        trust.trust(read_desk(far))
        (tmp_path / "aws" / "config").write_text("[profile team]\nendpoint_url = http://127.0.0.1:9\n")
        assert run(far).failure is None
        assert "/ap-south-1/s3/" in proxy.authorizations[-1]
        text = text.replace("region =", "anonymous = true\nregion =")
        file.write_text(text)
        trust.trust(read_desk(far))
        assert run(far).failure is None
        assert proxy.authorizations[-1] == ""


def test_more_than_the_workspace_allows_is_refused_before_it_is_fetched(far: Path) -> None:
    file = far / "desk.toml"
    file.write_text(file.read_text().replace("version = 1\n", 'version = 1\nstore = { objects = "0.01MB" }\n'))
    failure = run(far).failure
    assert failure is not None
    assert "store.objects allows copies of 10.0 kB" in failure
    assert copies(far) == []


def test_a_disk_without_room_is_told_before_anything_is_fetched(far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(far)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=150_000_000))
    failure = run(far).failure
    assert failure is not None
    assert "where 150.0 MB are free" in failure


def test_models_share_copies_and_each_keeps_what_it_needs(local: Path, far: Path, bucket: Bucket) -> None:
    file = far / "desk.toml"
    first = file.read_text()
    second = first.partition("[[models]]")[2].replace('id = "m"', 'id = "n"')
    file.write_text(f"{first}\n[[models]]{second}")
    trust.trust(read_desk(far))
    run(far)
    name = f"{DAYS - 1:02}.parquet"
    bucket.remove(f"logs/{name}")
    run(far, models=["m"])
    run(far, models=["n"])
    assert name not in {copy.name for copy in copies(far)}
    file.write_text(first)
    trust.trust(read_desk(far))
    run(far, full=True)
    assert {one.name for one in (far / COPIES).glob("*.needed")} == {"m.needed"}


def test_the_proxy_of_this_machine_is_used_where_it_is_meant(
    far: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Proxy(bucket.endpoint) as proxy:
        use(monkeypatch, "http://storage.invalid", tmp_path / "aws")
        monkeypatch.setenv("http_proxy", proxy.endpoint)
        monkeypatch.setenv("no_proxy", "elsewhere.example")
        assert run(far).failure is None
        assert any("storage.invalid" in path for _, path in proxy.requests)
        monkeypatch.setenv("no_proxy", "storage.invalid")
        monkeypatch.setattr("mlops_desk.warehouse.object_store.FIRST_PAUSE_SECONDS", 0.001)
        failure = run(far).failure
        assert failure is not None
        assert "does not answer as it should" in failure
