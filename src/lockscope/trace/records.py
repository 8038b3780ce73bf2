"""A segment as numpy sees it: `capture/native/record.h` in Python.

A segment is a header of `HEADER_BYTES` followed by records of `RECORD_BYTES` each; beside it lies a
text file, and a *text* in a record is a byte offset into that file (0 for none).
`docs/trace-format.md` tells what each field means for each kind; `tests/trace/test_codec.py` holds
this page and the C header together.
"""

from typing import Final

import numpy as np

__all__ = ["HEADER", "MERGED", "RECORD"]

_FIELDS: Final = [
    ("began_ns", "<u8"),
    ("duration_ns", "<u8"),
    ("start", "<u8"),
    ("length", "<u4"),
    ("thread", "<u4"),
    ("file", "<u4"),
    ("context", "<u4"),
    ("kind", "u1"),
    ("mode", "u1"),
    ("error", "<u2"),
]

RECORD: Final = np.dtype([*_FIELDS, ("sequence", "<u4")])
"""One record as it lies in a segment: 48 bytes."""

MERGED: Final = np.dtype([*_FIELDS, ("process", "<u4")])
"""One record after merging: numbers of files and contexts hold for the whole trace, and `process`
has taken the place of `sequence`, so that merging ten million records needs no room for an eleventh
field."""

HEADER: Final = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("header_bytes", "<u4"),
        ("record_bytes", "<u4"),
        ("pid", "<u4"),
        ("started_ns", "<u8"),
        ("process_start", "<u8"),
        ("recorder", "<u4"),
        ("reserved", "<u4"),
        ("next", "<u8"),
        ("text_used", "<u8"),
        ("lost", "<u8"),
        ("blind_ns", "<u8"),
        ("ring_first", "<u8"),
        ("ring_records", "<u8"),
    ]
)
