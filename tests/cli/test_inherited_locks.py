"""A lock of an open file description that a child goes on with when its parent has closed it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lockscope.capture.preload import missing_sentence

pytestmark = pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence())

LOCKSCOPE = (sys.executable, "-m", "lockscope")
PROGRAM = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int set(int fd, short type) {
  struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0x40000001, .l_len = 1};
  return fcntl(fd, F_OFD_SETLK, &range);
}

int main(void) {
  int way[2], fd = open("a.db", O_RDWR | O_CREAT, 0666);
  char byte = 0;
  if (pipe(way) != 0 || set(fd, F_WRLCK) != 0) return 1;
  pid_t child = fork();
  if (child == 0) {
    if (read(way[0], &byte, 1) != 1) return 2;
    GIVE_BACK;
    return 0;
  }
  close(fd);
  fd = open("a.db", O_RDWR);
  printf("%d ", set(fd, F_WRLCK));
  if (write(way[1], &byte, 1) != 1 || waitpid(child, NULL, 0) != child) return 3;
  printf("%d %d\\n", set(fd, F_WRLCK), child);
  return 0;
}
"""


def traced(tmp_path: Path, give_back: str) -> tuple[int, dict[str, object]]:
    """The child's pid, and the report."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    (tmp_path / "shared.c").write_text(PROGRAM.replace("GIVE_BACK", give_back))
    command = [compiler, "-o", str(tmp_path / "shared"), str(tmp_path / "shared.c")]
    subprocess.run(command, check=True)
    command = [*LOCKSCOPE, "trace", "-q", "-o", "t.trace", "--", "./shared"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    denied, granted, child = map(int, ran.stdout.split())
    assert (denied, granted) == (-1, 0)  # the kernel agrees that the lock outlived the close
    told = subprocess.run(
        [*LOCKSCOPE, "report", "--json", "t.trace"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    return child, json.loads(told.stdout)


def test_the_child_is_blamed_for_what_it_holds(tmp_path: Path) -> None:
    child, document = traced(tmp_path, "set(fd, F_UNLCK)")
    waits = document["waits"]
    assert isinstance(waits, list)
    assert [[blocker["pid"] for blocker in wait["blockers"]] for wait in waits] == [[child]]
    assert document["gaps"] == []


def test_a_child_that_only_closes_it_is_a_gap(tmp_path: Path) -> None:
    child, document = traced(tmp_path, "close(fd)")
    gaps = document["gaps"]
    assert isinstance(gaps, list)
    shared = [gap for gap in gaps if "open file description" in gap["sentence"]]
    assert len(shared) == 1
    assert f"with pid {child}, which it had forked" in shared[0]["sentence"]
