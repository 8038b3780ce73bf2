"""The C header and the Python codec are the same page."""

import re
import shutil
import subprocess
from dataclasses import fields
from enum import IntEnum
from pathlib import Path

import numpy as np
import pytest

import lockscope.capture.native
from lockscope.trace import kinds
from lockscope.trace.records import HEADER, MERGED, RECORD
from lockscope.trace.room import ROOM_NAME, Room, RoomState
from lockscope.trace.writer import SegmentWriter

HEADER_FILE = Path(lockscope.capture.native.__file__).parent / "record.h"
COMPILER = shutil.which("cc") or shutil.which("gcc")


def c_values(expressions: list[str], folder: Path) -> list[int]:
    """The values that a C compiler gives to expressions over the header."""
    assert COMPILER is not None
    lines = "".join(f'printf("%lld\\n", (long long)({text}));' for text in expressions)
    source = folder / "print.c"
    source.write_text(
        f'#include <stddef.h>\n#include <stdio.h>\n#include "{HEADER_FILE}"\n'
        f"int main(void) {{ {lines} return 0; }}\n"
    )
    program = folder / "print"
    subprocess.run([COMPILER, "-std=c11", "-o", program, source], check=True)
    answer = subprocess.run([program], check=True, capture_output=True, text=True)
    return [int(line) for line in answer.stdout.split()]


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
@pytest.mark.parametrize(
    ("struct", "dtype"), [("lockscope_record", RECORD), ("lockscope_header", HEADER)]
)
def test_fields_lie_where_c_puts_them(
    struct: str, dtype: np.dtype[np.void], tmp_path: Path
) -> None:
    names, layout = dtype.names, dtype.fields
    assert names is not None
    assert layout is not None
    offsets = c_values([f"offsetof(struct {struct}, {name})" for name in names], tmp_path)
    assert offsets == [layout[name][1] for name in names]
    assert c_values([f"sizeof(struct {struct})"], tmp_path) == [dtype.itemsize]


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
def test_the_room_lies_where_c_puts_it(tmp_path: Path) -> None:
    Room(tmp_path, 7).free(5, 9)
    assert RoomState.read(tmp_path) == RoomState(limit=7, taken=0, freed=5, removed=1, removed_ns=9)
    words = np.frombuffer((tmp_path / ROOM_NAME).read_bytes(), "<u8")
    at = c_values(
        [f"offsetof(struct lockscope_room, {field.name})" for field in fields(RoomState)], tmp_path
    )
    assert [int(words[offset // 8]) for offset in at] == [7, 0, 5, 1, 9]
    assert f'LOCKSCOPE_ROOM "{ROOM_NAME}"' in HEADER_FILE.read_text()


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
@pytest.mark.parametrize(
    "words", [kinds.Kind, kinds.Mode, kinds.Method, kinds.Outcome, kinds.Recorder]
)
def test_words_have_the_numbers_of_c(words: type[IntEnum], tmp_path: Path) -> None:
    names = [f"LOCKSCOPE_{word.name}" for word in words]
    assert c_values(names, tmp_path) == [word.value for word in words]


def test_every_kind_of_the_header_is_known_to_python() -> None:
    enum = re.search(r"enum lockscope_kind \{(.*?)\};", HEADER_FILE.read_text(), re.DOTALL)
    assert enum is not None
    assert len(re.findall(r"LOCKSCOPE_\w+ = ", enum[1])) == len(kinds.Kind)


def test_constants_are_those_of_the_header() -> None:
    text = HEADER_FILE.read_text()
    assert f'LOCKSCOPE_MAGIC "{kinds.MAGIC.decode().strip()}' in text
    assert f'LOCKSCOPE_TEXT_HEAD "{kinds.TEXT_HEAD.decode().strip()}' in text
    assert f"LOCKSCOPE_VERSION {kinds.VERSION}\n" in text
    assert f"LOCKSCOPE_HEADER_BYTES {kinds.HEADER_BYTES}\n" in text
    assert RECORD.itemsize == MERGED.itemsize == kinds.RECORD_BYTES


def test_the_writer_writes_what_the_dtypes_read(tmp_path: Path) -> None:
    with SegmentWriter(tmp_path, kinds.Recorder.WORKER) as writer:
        writer.record(
            kinds.Kind.LOCK, began_ns=1, duration_ns=2, start=3, length=1 << 40, file=5, context=6,
            mode=2, error=8,
        )  # fmt: skip
        path = writer.path
    header = np.fromfile(path, HEADER, 1)[0]
    record = np.fromfile(path, RECORD, 1, offset=kinds.HEADER_BYTES)[0]
    assert header["magic"] == kinds.MAGIC.rstrip(b"\0")
    assert (header["record_bytes"], header["next"]) == (RECORD.itemsize, 1)
    expected = (1, 2, 3, 0xFFFFFFFF, record["thread"], 5, 6, kinds.Kind.LOCK, 2, 8, 1)
    assert tuple(record) == expected
