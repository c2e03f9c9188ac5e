"""The cache of counted files: disposable, swept of what nobody asked for, begun anew where it cannot be read."""

import sqlite3
from pathlib import Path

import pytest

from mlops_desk.domain.errors import UserError
from mlops_desk.warehouse.cache import Cache, DamagedCache


def bodies(count: int, prefix: str = "m:") -> dict[str, bytes]:
    return {f"{prefix}{number}": f"body {number}".encode() for number in range(count)}


def test_bodies_come_back_under_their_keys(tmp_path: Path) -> None:
    with Cache(tmp_path / "deep" / "cache") as cache:
        cache.put(bodies(1300))
    with Cache(tmp_path / "deep" / "cache") as cache:
        assert cache.get([*bodies(1300), "m:none"]) == bodies(1300)
        assert cache.present(["m:1", "m:none", "m:1299"]) == {"m:1", "m:1299"}
        cache.put({"m:1": b"another"})
        assert cache.get(["m:1"]) == {"m:1": b"another"}


def test_a_sweep_forgets_what_nobody_asked_for(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.put(bodies(10) | bodies(2, "other:") | bodies(2, "mm:"))
    with Cache(tmp_path) as cache:
        cache.get(["m:1"])
        cache.present(["m:2"])
        cache.put({"m:new": b""})
        cache.sweep("m:")
    with Cache(tmp_path) as cache:
        everything = [*bodies(10), *bodies(2, "other:"), *bodies(2, "mm:"), "m:new"]
        assert set(cache.get(everything)) == {"m:1", "m:2", "m:new", "other:0", "other:1", "mm:0", "mm:1"}


def test_a_cache_that_is_none_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "partials.sqlite").write_bytes(b"no database at all" * 400)
    with Cache(tmp_path) as cache:
        cache.put(bodies(2))
        assert cache.get(["m:1"]) == {"m:1": b"body 1"}


def test_bodies_are_kept_all_or_none(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        with pytest.raises(sqlite3.Error):
            cache.put({"m:1": b"x", ("m:2",): b"y"})  # type: ignore[dict-item]
        assert cache.get(["m:1"]) == {}
        cache.put({"m:1": b"y"})
        assert cache.get(["m:1"]) == {"m:1": b"y"}


def test_a_folder_that_cannot_be_made_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match="cannot be written"):
        Cache(tmp_path / "cache")


def test_a_body_that_is_not_what_it_was_is_told(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.put({"m:1": b"a body of some length"})
    with sqlite3.connect(tmp_path / "partials.sqlite") as raw:
        raw.execute("update bodies set body = cast(substr(body, 1, 8) || x'00' || substr(body, 10) as blob)")
    raw.close()
    with Cache(tmp_path) as cache:
        with pytest.raises(DamagedCache):
            cache.get(["m:1"])
        assert cache.present(["m:1"]) == {"m:1"}
    Cache.discard(tmp_path)
    with Cache(tmp_path) as cache:
        assert cache.get(["m:1"]) == {}


@pytest.mark.parametrize("start", [100, 4096, 8192])
def test_a_damaged_file_ends_in_one_kind_of_error(tmp_path: Path, start: int) -> None:
    with Cache(tmp_path) as cache:
        cache.put(bodies(3000))
    path = tmp_path / "partials.sqlite"
    body = path.read_bytes()
    path.write_bytes(body[:start] + bytes(byte ^ 0x5A for byte in body[start:]))
    try:
        with Cache(tmp_path) as cache:
            assert set(cache.get(bodies(3000))) <= set(bodies(3000))
            cache.put({"m:new": b"x"})
            cache.sweep("m:")
    except DamagedCache:
        Cache.discard(tmp_path)
    with Cache(tmp_path) as cache:
        cache.put(bodies(2))


def test_bodies_of_another_version_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Cache(tmp_path) as cache:
        cache.put({"m:a": b"old"})
    monkeypatch.setattr("mlops_desk.warehouse.cache.VERSION", 2)
    with Cache(tmp_path) as cache:
        assert cache.get(["m:a"]) == {}
        cache.put({"m:a": b"new"})
    with Cache(tmp_path) as cache:
        assert cache.get(["m:a"]) == {"m:a": b"new"}
