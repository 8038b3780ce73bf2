"""What a trace keeps of SQL and messages: names and shape, never a value."""

import re
import sqlite3
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_hook import SOURCES, WARNINGS, compiler

ROOM: Final = 4096
DRIVER: Final = Path(__file__).parents[1] / "native" / "test_mask.c"


class Masker:
    """The masking code of the recorder, as a process of its own under the address sanitizer."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def ask(self, how: str, text: str | bytes, code: int = 1, room: int = ROOM) -> bytes:
        process = self._process
        assert process.stdin
        assert process.stdout
        raw = text.encode() if isinstance(text, str) else text
        process.stdin.write(how.encode() + struct.pack("=III", code, room, len(raw)) + raw)
        process.stdin.flush()
        head = process.stdout.read(4)
        assert len(head) == 4, process.communicate()[1].decode()
        (n,) = struct.unpack("=I", head)
        return process.stdout.read(n)

    def sql(self, text: str | bytes) -> str:
        return self.ask("s", text).decode("utf-8", "backslashreplace")

    def message(self, text: str, code: int = 1) -> str:
        return self.ask("m", text, code).decode("utf-8", "backslashreplace")

    def end(self) -> None:
        _, errors = self._process.communicate()
        assert (self._process.returncode, errors) == (0, b"")


@pytest.fixture(scope="module")
def masker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Masker]:
    program = tmp_path_factory.mktemp("mask") / "mask"
    flags = (*WARNINGS, "-g", "-O1", "-fsanitize=address,undefined")
    sources = [DRIVER, SOURCES / "mask.c", SOURCES / "py_message.c"]
    command = [compiler(), *flags, f"-I{SOURCES}", "-o", program, *sources]
    subprocess.run([*map(str, command)], check=True)
    masker = Masker(program)
    yield masker
    masker.end()


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        ("SELECT 'it''s', 12, -1.5e-3, 0xFF, x'00ff', .5 FROM t1", "SELECT ?, ?, ?, ... FROM t1"),
        ("UPDATE t SET a = a + 1 WHERE b2 = 'x'", "UPDATE t SET a = a + ? WHERE b2 = ?"),
        ('SELECT "name", "two words" FROM [a b], `c d`', 'SELECT "name", ? FROM [a b], `c d`'),
        ("SELECT a -- secret\n /* secret */ FROM t", "SELECT a FROM t"),
        ("  SELECT\n\t1 ;  ", "SELECT ?"),
        ("SELECT ?1, :name, @at, $money", "SELECT ?1, :name, @at, $money"),
        ("VALUES (NULL, TRUE, false)", "VALUES (NULL, TRUE, false)"),
        ("SELECT 'never ended", "SELECT ?"),
        ('SELECT "never ended', "SELECT ?"),
        ("SELECT [never ended", "SELECT ?"),
        ("SELECT /* never ended", "SELECT"),
        ("SELECT 1e5, 12abc, 1_000, N'x'", "SELECT ?, ?, ?, N?"),
        ("a IN (1,2)", "a IN (?, ?)"),
        ("a IN (?,?)", "a IN (?, ?)"),
        ("a IN (1,2,3,4)", "a IN (?, ?, ?, ...)"),
        ("a IN (-1, -2, +3, 4, 5, b)", "a IN (?, ?, ?, ..., b)"),
        ("VALUES (1, 'a'),(2,'b') , ( 3, 'c')", "VALUES (?, ?), ..."),
        ("VALUES (1), (2, 3)", "VALUES (?), (?, ?)"),
        ("f(a,b) , f(a,b)", "f(a, b), f(a, b)"),
        ("BEGIN; SELECT 1; COMMIT;", "BEGIN; SELECT ?; COMMIT"),
        ("x->>'$.secret' || \"y\"", 'x->>? || "y"'),
        ("SELECT max'x'", "SELECT max?"),
        ("", ""),
        (";", ""),
    ],
)
def test_what_stays_of_sql(masker: Masker, sql: str, kept: str) -> None:
    assert masker.sql(sql) == kept


def test_lists_of_any_length_read_alike(masker: Masker) -> None:
    rows = {
        masker.sql(f"INSERT INTO t VALUES {', '.join(['(1, 2, 3)'] * n)}") for n in range(2, 90)
    }
    lists = {masker.sql(f"a IN ({', '.join('?' * n)})") for n in range(4, 900)}
    assert rows == {"INSERT INTO t VALUES (?, ?, ?), ..."}
    assert lists == {"a IN (?, ?, ?, ...)"}


def test_a_long_text_ends_in_dots_and_in_a_whole_character(masker: Masker) -> None:
    for length in range(8):
        kept = masker.ask("s", "x" * length + "ä" * ROOM)
        assert kept.endswith("ä...".encode())
        assert ROOM - 8 < len(kept) <= ROOM


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("database is locked", "database is locked"),
        ("UNIQUE constraint failed: t.a, t.b", "UNIQUE constraint failed: t.a, t.b"),
        ("no such column: name", "no such column: name"),
        ("no such column: it is secret", "no such column: ?"),
        ("no such table: main.pets", "no such table: main.pets"),
        ('near "FORM": syntax error', 'near "FORM": syntax error'),
        ('near ",": syntax error', 'near ",": syntax error'),
        ("near \"'secret'\": syntax error", 'near "?": syntax error'),
        ('near ""a " b"": syntax error', 'near "?": syntax error'),
        ("unrecognized token: \"'secret it's\"", "unrecognized token: ?"),
        ('table "t" has no column named "two words"', 'table "t" has no column named ?'),
        ("Error binding parameter 3: type 'list' is not supported",
         "Error binding parameter ?: type 'list' is not supported"),
        ("Could not decode to UTF-8 column 'a' with text 'secret'",
         "Could not decode to UTF-8 column ?"),
        ("CHECK constraint failed: name <> 'secret'", "CHECK constraint failed: ?"),
        ('fts5: syntax error near "secret"', "fts5: ?"),
        ("table t1 has 3 columns but 2 values were supplied",
         "table t1 has ? columns but ? values were supplied"),
        ("You can't do that", "You can't do that"),
        ("a 'quoted it's secret' b", "a ? b"),
    ],
)  # fmt: skip
def test_what_stays_of_a_message(masker: Masker, message: str, kept: str) -> None:
    assert masker.message(message) == kept


def test_a_triggers_message_is_the_programs_own(masker: Masker) -> None:
    assert "Alice" not in masker.message("Alice may not", 1811)
    assert masker.message("Alice may not", 1) == "Alice may not"


SECRET: Final = "zq7secret7qz"
VALUES = st.text(min_size=0, max_size=12).map(lambda around: around.replace("\0", ""))
STRING = st.tuples(VALUES, VALUES).map(
    lambda a: "'" + f"{a[0]}{SECRET}{a[1]}".replace("'", "''") + "'"
)
NUMBER = st.sampled_from(["4711", "47.11", "4711e+4711", "0x4711", ".4711", "4_711"])
BLOB = st.just("x'4711'")
QUOTED = VALUES.map(lambda text: '"' + f"{text} {SECRET}".replace('"', '""') + '"')
COMMENT = st.one_of(
    VALUES.map(lambda text: f"/* {text.replace('*/', '')} {SECRET} */"),
    VALUES.map(lambda text: "-- " + text.replace("\n", "").replace("\r", "") + SECRET + "\n"),
)
HIDDEN = st.one_of(STRING, NUMBER, BLOB, QUOTED, COMMENT)
SHOWN = st.sampled_from(
    [
        *("SELECT", "FROM", "t1", "a_b", "NULL", "x", "X", "e", '"n"', "[b]", "`q`"),
        *("?", "?1", ":n", "@n", "$n"),
        *("(", ")", ",", ";", "+", "-", "=", "<=", "||", ".", "*", "->>", "\n", "\t"),
    ]
)
PIECES = st.lists(st.one_of(HIDDEN, SHOWN), max_size=30)


@given(PIECES, st.integers(3, 80))
def test_no_value_survives(masker: Masker, pieces: list[str], room: int) -> None:
    sql = " ".join(pieces)
    for kept in (masker.ask("s", sql), masker.ask("s", sql, room=room)):
        assert SECRET.encode() not in kept
        assert b"47" not in kept


@given(PIECES, st.sampled_from(["'", '"', "/*", "x'"]), VALUES)
def test_what_has_no_end_hides_all_that_follows(
    masker: Masker, pieces: list[str], opening: str, text: str
) -> None:
    safe = re.sub(r"""['"*`\[\]]""", " ", text)
    assert SECRET not in masker.sql(f"{' '.join(pieces)} {opening}{safe}{SECRET}")


@given(st.lists(st.one_of(STRING, QUOTED, COMMENT, SHOWN), max_size=30))
def test_no_value_survives_where_no_space_is_left(masker: Masker, pieces: list[str]) -> None:
    assert SECRET not in masker.sql("".join(pieces))


@given(st.binary(max_size=300), st.sampled_from("sfm"), st.integers(0, 60))
def test_any_bytes_in_any_room(masker: Masker, raw: bytes, how: str, room: int) -> None:
    assert len(masker.ask(how, raw, room=room)) <= room


def refusal(db: sqlite3.Connection, sql: str) -> Exception | None:
    try:
        db.execute(sql)
    except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError) as error:
        return error
    return None


@given(STRING | NUMBER | QUOTED)
def test_what_sqlite_says_about_a_value_is_masked(masker: Masker, value: str) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t(a)")
    tried = (
        f"SELECT 1 {value} 2 2",
        f"SELECT {value[:-1]}",
        f"CREATE {value}",
        f"SELECT 1 {value}",
    )
    said = [str(error) for sql in tried if (error := refusal(db, sql)) is not None]
    assert [message for message in said if SECRET in masker.message(message)] == []
    db.close()
