"""The build step that compiles the native recorder into the wheel.

Without a C compiler, or off Linux, lockscope is installed without it, and says so: everything but
the capture of locks works. `LOCKSCOPE_REQUIRE_NATIVE=1` makes that an error; `CC` and `CFLAGS` are
honoured.
"""

import os
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE: Final = Path("src/lockscope/capture/native")
LIBRARY: Final = NATIVE / "liblockscope.so"
FLAGS: Final = (
    "-std=c11",
    "-O2",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    # The default model may allocate at a thread's first access, which a signal handler must not.
    "-ftls-model=initial-exec",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-pthread",
)


class NativeRecorder(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's class takes no argument at run time
    """Compiles `liblockscope.so` and adds it to the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and make the wheel one for this platform; warn where that cannot be done.

        Raises:
            RuntimeError: It cannot be done, and `LOCKSCOPE_REQUIRE_NATIVE=1` asks for it.
        """
        if self.target_name != "wheel":
            return
        if reason := self._compile():
            _do_without(reason, self.app.display_warning)
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        if version != "editable":  # there the library is used where it lies
            target = LIBRARY.relative_to("src").as_posix()
            build_data["force_include"][str(Path(self.root, LIBRARY))] = target

    def _compile(self) -> str:
        """Make the library; why that is not possible, or nothing."""
        if sys.platform != "linux":
            return f"it needs Linux, this is {sys.platform}"
        sources = sorted(str(path) for path in Path(self.root, NATIVE).glob("*.c"))
        compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
        extra = shlex.split(os.environ.get("CFLAGS", ""))
        # Not over the old one: a program that is traced right now has it mapped, and would crash.
        fresh = Path(self.root, LIBRARY).with_suffix(f".{os.getpid()}")
        command = [*compiler, *FLAGS, *extra, "-o", str(fresh), *sources, "-ldl"]
        try:
            done = subprocess.run(
                command, cwd=self.root, capture_output=True, text=True, check=False
            )
        except OSError as error:
            return f"the C compiler {compiler[0]} cannot be started: {error.strerror}"
        if done.returncode != 0:
            fresh.unlink(missing_ok=True)
            return f"{compiler[0]} failed:\n{done.stderr.strip()}"
        fresh.replace(Path(self.root, LIBRARY))
        return ""


def _do_without(reason: str, warn: Callable[[str], None]) -> None:
    message = f"lockscope is built without its native recorder; locks cannot be traced: {reason}"
    if os.environ.get("LOCKSCOPE_REQUIRE_NATIVE") == "1":
        raise RuntimeError(message)
    warn(message)
