"""Tables as bytes and back, for the cache: plain msgpack with arrays as raw bytes, so that reading it can run nothing."""

from __future__ import annotations

import zlib
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec
import numpy as np

from mlops_desk.aggregates import signals, slices, tables

TYPES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        tables.ValueTable,
        tables.CategoryTable,
        tables.ScoreTable,
        tables.ConfusionTable,
        tables.ErrorTable,
        tables.GroupTable,
        tables.GroupMeans,
        tables.RowSet,
        slices.FeatureTables,
        slices.OutcomeTables,
        signals.RowGroups,
        signals.SignalTables,
    )
}
ARRAY, OBJECT, TUPLE = "a", "o", "t"
DTYPES = ("int64", "float64")


def packed(value: object) -> bytes:
    """A table, or containers of tables, as bytes."""
    return zlib.compress(msgspec.msgpack.encode(_plain(value)), 1)


def unpacked(body: bytes) -> Any:
    """What `packed` made the bytes of; raises ValueError for anything else."""
    try:
        return _restored(msgspec.msgpack.decode(zlib.decompress(body)))
    except (zlib.error, msgspec.DecodeError, AttributeError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"no packed table: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [ARRAY, value.dtype.name, list(value.shape), value.tobytes()]
    if is_dataclass(value):
        named = {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
        return [OBJECT, type(value).__name__, {name: entry for name, entry in named.items() if entry is not None}]
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [TUPLE, [_plain(entry) for entry in value]]
    return value.item() if isinstance(value, np.generic) else value


def _restored(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {key: _restored(entry) for key, entry in plain.items()}
    if not isinstance(plain, list):
        return plain
    if plain[0] == ARRAY:
        if plain[1] not in DTYPES:
            raise ValueError(f"no array of {plain[1]} is ever packed")
        return np.frombuffer(plain[3], dtype=plain[1]).reshape(plain[2])
    if plain[0] == OBJECT:
        return TYPES[plain[1]](**{name: _restored(entry) for name, entry in plain[2].items()})
    if plain[0] != TUPLE:
        raise ValueError(f"nothing of kind {plain[0]} is ever packed")
    return tuple(_restored(entry) for entry in plain[1])
