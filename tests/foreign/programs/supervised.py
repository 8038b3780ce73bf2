"""DATABASE MODE COUNT, by a service that supervisord starts, and that stops it when it is done."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

path = Path(sys.argv[1]).resolve()
room = path.parent / f"supervisord-{os.getpid()}"
room.mkdir()
words = [sys.executable, str(Path(__file__).with_name("by_sqlite3.py")), str(path), *sys.argv[2:]]
service = shlex.quote(f"{shlex.join(words)}; kill -TERM $PPID")
(room / "conf").write_text(
    f"""\
[supervisord]
nodaemon=true
logfile={room}/log
pidfile={room}/pid
childlogdir={room}
[program:service]
command=sh -c {service}
autorestart=false
startsecs=0
redirect_stderr=true
stdout_logfile={room}/service
"""
)
command = [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(room / "conf")]
# supervisord warns root that it is root.
status = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
said = (room / "service").read_text()
sys.stdout.write(said)
sys.exit(0 if said.startswith("(") else 1)
