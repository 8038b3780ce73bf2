"""On which file systems one side may not see the locks of another."""

from typing import Final

__all__ = ["NETWORK", "SHARED", "UNFIT", "unfit"]

NETWORK: Final = "network"
SHARED: Final = "shared with another machine or its host"
UNFIT: Final = {
    NETWORK: (
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "davfs"
    ),
    SHARED: (
        "9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "drvfs", "gfs2", "ocfs2", "fuse", "osxfs"
    ),
}  # fmt: skip
"""File systems on which one side may not see the other's locks: `mount(8)` types. `fuse` stands for
every `fuse.*`."""


def unfit(kind: str) -> str | None:
    """Why one side may not see another's locks on a type of file system; None where it does."""
    bare = kind.split(".", 1)[0]
    return next((what for what, kinds in UNFIT.items() if bare in kinds), None)
