"""Which files stand behind the paths of desk.toml, and how a change of one is seen."""

import os
from pathlib import Path

import pytest

from mlops_desk.domain.errors import UserError
from mlops_desk.warehouse.discovery import digest, find_files


def touched(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PAR1")


def names(folder: Path, *paths: str) -> list[str]:
    return [file.path.relative_to(folder).as_posix() for file in find_files(folder, paths, "models.m.logs.path")]


def test_a_folder_holds_all_parquet_files_below_it_in_the_order_of_names(tmp_path: Path) -> None:
    touched(
        tmp_path, "b.parquet", "a.PARQUET", "sub/c.pq", "sub/deeper/d.parq", "notes.txt", "e.csv", "year=2024/f.parquet"
    )
    assert names(tmp_path, ".") == ["a.PARQUET", "b.parquet", "sub/c.pq", "sub/deeper/d.parq", "year=2024/f.parquet"]


def test_hidden_and_unfinished_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    touched(
        tmp_path,
        "a.parquet",
        ".b.parquet",
        "_c.parquet",
        "d.parquet.tmp",
        "e.parquet.crdownload",
        ".desk/runs/1/candidate.parquet",
        "_temporary/0/part.parquet",
        "sub/_delta_log/1.checkpoint.parquet",
        "sub/.ipynb_checkpoints/a.parquet",
        "sub/_kind=1/g.parquet",
    )
    kept = ["a.parquet", "sub/_kind=1/g.parquet"]
    assert names(tmp_path, ".") == kept
    assert names(tmp_path, "**/*.parquet") == kept
    assert names(tmp_path, "**/*") == kept


def test_a_hidden_folder_that_is_named_is_meant(tmp_path: Path) -> None:
    touched(tmp_path, ".kept/a.parquet", "_kept/b.parquet", "_kept/_no/c.parquet")
    assert names(tmp_path, ".kept", "_kept/*.parquet", "_kept/**/*.parquet") == [".kept/a.parquet", "_kept/b.parquet"]
    nested = tmp_path / ".home" / "_work"
    touched(nested, "logs/a.parquet")
    assert names(nested, "logs") == names(nested, "logs/*.parquet") == ["logs/a.parquet"]


def test_globs_files_and_folders_together_give_each_file_once(tmp_path: Path) -> None:
    touched(tmp_path, "logs/a.parquet", "logs/b.parquet", "logs/2024/c.parquet", "more.parquet", "other.bin")
    assert names(tmp_path, "logs/*.parquet") == ["logs/a.parquet", "logs/b.parquet"]
    assert names(tmp_path, "logs/[ab].parquet", "logs", "./logs/../logs/a.parquet", "more.parquet") == [
        "logs/2024/c.parquet",
        "logs/a.parquet",
        "logs/b.parquet",
        "more.parquet",
    ]
    assert names(tmp_path, "other.bin") == ["other.bin"]
    assert names(tmp_path, str(tmp_path / "logs" / "?.parquet")) == ["logs/a.parquet", "logs/b.parquet"]


def test_names_with_blanks_quotes_and_brackets_are_plain_names(tmp_path: Path) -> None:
    odd = ["it's [1] größe.parquet", "naïve name/日本.parquet"]
    touched(tmp_path, *odd)
    assert sorted(names(tmp_path, *odd)) == sorted(odd)
    assert sorted(names(tmp_path, ".")) == sorted(odd)


def test_a_workspace_folder_may_look_like_a_pattern(tmp_path: Path) -> None:
    for name in ("logs [x]", "all*", "why?", "[!a]"):
        folder = tmp_path / name / "work"
        touched(folder, "logs/a[1].parquet", "logs/b*.parquet", "logs/.c.parquet", "logs/2024/d.parquet")
        touched(tmp_path / name, "beside/e.parquet")
        assert names(folder, "logs/*.parquet") == ["logs/a[1].parquet", "logs/b*.parquet"]
        assert names(folder, "**/*.parquet") == ["logs/2024/d.parquet", "logs/a[1].parquet", "logs/b*.parquet"]
        assert names(folder, "logs/a[1].parquet", "logs/b*.parquet") == ["logs/a[1].parquet", "logs/b*.parquet"]
        assert [file.path for file in find_files(folder, ["../beside/*.parquet"], "k")] == [
            tmp_path / name / "beside" / "e.parquet"
        ]


def test_a_missing_path_is_an_error_and_an_empty_folder_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert names(tmp_path, "empty", "empty/*.parquet") == []
    with pytest.raises(UserError, match=r"models\.m\.logs\.path: there is no file or folder .*nowhere"):
        names(tmp_path, "nowhere")


@pytest.mark.parametrize("path", ["s3://bucket/logs", "gs://bucket/a.parquet", "abfs://c@a/logs"])
def test_an_object_is_refused_where_only_files_are_looked_for(tmp_path: Path, path: str) -> None:
    with pytest.raises(UserError, match="copy its files to a folder"):
        names(tmp_path, path)


def test_a_fingerprint_tells_a_rewritten_file_from_the_former(tmp_path: Path) -> None:
    touched(tmp_path, "a.parquet")
    before = find_files(tmp_path, ["."], "k")
    assert find_files(tmp_path, ["."], "k") == before
    status = (tmp_path / "a.parquet").stat()
    os.utime(tmp_path / "a.parquet", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    later = find_files(tmp_path, ["."], "k")
    (tmp_path / "a.parquet").write_bytes(b"PAR1PAR1")
    os.utime(tmp_path / "a.parquet", ns=(status.st_atime_ns, status.st_mtime_ns))
    longer = find_files(tmp_path, ["."], "k")
    prints = {files[0].fingerprint for files in (before, later, longer)}
    assert len(prints) == 3
    assert len({digest(files) for files in (before, later, longer)}) == 3
    assert digest(before, "a", "bc") != digest(before, "ab", "c")


def test_a_path_that_is_no_unicode_has_a_fingerprint(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.parquet"
    try:
        Path(os.fsdecode(path)).write_bytes(b"PAR1")
    except OSError:
        pytest.skip("this file system takes no such name")
    assert len(find_files(tmp_path, ["."], "k")[0].fingerprint) == 32


def test_links_to_folders_above_give_each_file_once_and_end(tmp_path: Path) -> None:
    touched(tmp_path, "logs/z.parquet", "logs/a/b.parquet", "logs/a/c/d.parquet")
    for link, target in {"logs/loop": ".", "logs/again": ".", "logs/a/up": "..", "logs/a/c/top": "../.."}.items():
        (tmp_path / link).symlink_to(target, target_is_directory=True)
    once = ["logs/a/b.parquet", "logs/a/c/d.parquet", "logs/z.parquet"]
    for pattern in ("logs/**/*.parquet", "**/*.parquet", "**", "logs"):
        assert names(tmp_path, pattern) == once, pattern
    assert names(tmp_path, "logs/*/*.parquet") == ["logs/a/b.parquet", "logs/again/z.parquet"]


def test_a_link_counts_beside_its_file_only_once_and_a_hard_link_is_a_file(tmp_path: Path) -> None:
    touched(tmp_path, "logs/2024/a.parquet", "elsewhere/b.parquet", "one.parquet")
    (tmp_path / "logs" / "latest.parquet").symlink_to("2024/a.parquet")
    (tmp_path / "logs" / "more").symlink_to("../elsewhere", target_is_directory=True)
    os.link(tmp_path / "one.parquet", tmp_path / "logs" / "two.parquet")
    os.link(tmp_path / "one.parquet", tmp_path / "logs" / "three.parquet")
    assert names(tmp_path, "logs/**/*.parquet") == [
        "logs/2024/a.parquet",
        "logs/more/b.parquet",
        "logs/three.parquet",
        "logs/two.parquet",
    ]
