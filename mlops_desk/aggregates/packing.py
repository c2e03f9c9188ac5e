"""Tables as bytes and back, for the cache: plain msgpack with arrays as raw bytes, so that reading it can run nothing.

Counts are kept in the smallest type that holds them, which takes little more room than compressing them would and a tenth of the time.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlops_desk.aggregates import expected, group_scores, group_tables, signals, slices, sums, tables

TYPES: dict[str, type[msgspec.Struct]] = {
    cls.__name__: cls
    for cls in (
        tables.ValueTable,
        tables.CategoryTable,
        tables.ScoreTable,
        tables.ConfusionTable,
        tables.ErrorTable,
        group_tables.GroupTable,
        group_tables.GroupMeans,
        tables.RowSet,
        expected.ExpectedGroups,
        expected.ExpectedPositives,
        expected.ExpectedTable,
        expected.WeightedExpected,
        group_scores.GroupScoreTable,
        slices.FeatureTables,
        slices.OutcomeTables,
        slices.WeightedOutcomes,
        sums.RowSums,
        signals.RowGroups,
        signals.SignalTables,
    )
}
ARRAY, OBJECT, TUPLE = "a", "o", "t"
SMALL = ("uint8", "uint16", "uint32")
DTYPES = (*SMALL, "int64", "float64")
_LARGEST = tuple((int(np.iinfo(name).max), name) for name in SMALL)
_FIELDS = {cls: cls.__struct_fields__ for cls in TYPES.values()}
_ATOMS = frozenset({int, str, float, bool, bytes, type(None)})


def packed(value: object) -> bytes:
    """A table, or containers of tables, as bytes."""
    return msgspec.msgpack.encode(_plain(value))


def unpacked(body: bytes) -> Any:
    """What `packed` made the bytes of; raises ValueError for anything else."""
    try:
        return _restored(msgspec.msgpack.decode(body))
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"no packed table: {error}") from error


def _plain(value: Any) -> Any:
    cls = type(value)
    if cls in _ATOMS:
        return value
    if cls is np.ndarray:
        kind = _smallest(value)
        return [ARRAY, kind, value.shape, value.astype(kind, copy=False).tobytes()]
    if cls in _FIELDS:
        named = ((name, getattr(value, name)) for name in _FIELDS[cls])
        return [OBJECT, cls.__name__, {name: _plain(entry) for name, entry in named if entry is not None}]
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [TUPLE, [_plain(entry) for entry in value]]
    return value.item() if isinstance(value, np.generic) else value


def _smallest(array: NDArray[Any]) -> str:
    """The name of the type that an array is kept in; raises TypeError for one that tables do not have."""
    if array.dtype.name not in DTYPES:
        raise TypeError(f"no array of {array.dtype} is ever packed")
    if array.dtype != np.int64 or not array.size or int(array.min()) < 0:
        return array.dtype.name
    largest = int(array.max())
    return next((name for most, name in _LARGEST if largest <= most), "int64")


def _restored(plain: Any) -> Any:
    cls = type(plain)
    if cls is dict:
        return {key: _restored(entry) for key, entry in plain.items()}
    if cls is not list:
        return plain
    if plain[0] == ARRAY:
        if plain[1] not in DTYPES:
            raise ValueError(f"no array of {plain[1]} is ever packed")
        kept = np.frombuffer(plain[3], dtype=plain[1]).reshape(plain[2])
        return kept.astype(np.int64) if plain[1] in SMALL else kept
    if plain[0] == OBJECT:
        return TYPES[plain[1]](**{name: _restored(entry) for name, entry in plain[2].items()})
    if plain[0] != TUPLE:
        raise ValueError(f"nothing of kind {plain[0]} is ever packed")
    return tuple(_restored(entry) for entry in plain[1])
