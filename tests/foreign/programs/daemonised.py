"""DATABASE MODE COUNT, by a daemon: forked twice, without a terminal, every descriptor closed."""

import os
import runpy
import sys
from pathlib import Path

sys.argv[1] = str(Path(sys.argv[1]).resolve())
read, write = os.pipe()
if os.fork():
    os.close(write)
    os.wait()
    # The last descriptor of the pipe is closed when the daemon has ended.
    os.read(read, 1)
    sys.exit()
os.setsid()
if os.fork():
    os._exit(0)
os.chdir("/")
for fd in {*range(256)} - {write}:
    try:
        os.close(fd)
    except OSError:
        continue
os.open("/dev/null", os.O_RDWR)
os.dup(0)
os.dup(0)
runpy.run_path(str(Path(__file__).with_name("by_sqlite3.py")))
