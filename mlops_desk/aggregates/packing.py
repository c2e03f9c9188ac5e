"""Tables as bytes and back, for the cache: plain msgpack with arrays as raw bytes, so that reading it can run nothing."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec
import numpy as np

from mlops_desk.aggregates import expected, group_scores, signals, slices, sums, tables

TYPES: dict[str, type[msgspec.Struct]] = {
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
        expected.ExpectedGroups,
        expected.ExpectedPositives,
        expected.ExpectedTable,
        group_scores.GroupScoreTable,
        slices.FeatureTables,
        slices.OutcomeTables,
        sums.RowSums,
        signals.RowGroups,
        signals.SignalTables,
    )
}
ARRAY, OBJECT, TUPLE = "a", "o", "t"
DTYPES = ("int64", "float64")
_DTYPE_NAMES = {np.dtype(name): name for name in DTYPES}
_FIELDS = {cls: cls.__struct_fields__ for cls in TYPES.values()}
_ATOMS = frozenset({int, str, float, bool, bytes, type(None)})


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
    cls = type(value)
    if cls in _ATOMS:
        return value
    if cls is np.ndarray:
        return [ARRAY, _DTYPE_NAMES[value.dtype], value.shape, value.tobytes()]
    if cls in _FIELDS:
        named = ((name, getattr(value, name)) for name in _FIELDS[cls])
        return [OBJECT, cls.__name__, {name: _plain(entry) for name, entry in named if entry is not None}]
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [TUPLE, [_plain(entry) for entry in value]]
    return value.item() if isinstance(value, np.generic) else value


def _restored(plain: Any) -> Any:
    cls = type(plain)
    if cls is dict:
        return {key: _restored(entry) for key, entry in plain.items()}
    if cls is not list:
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
