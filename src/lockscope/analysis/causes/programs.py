"""Programs that meet a database which is not theirs, by the names of their executables."""

from typing import Final

__all__ = ["FOREIGN", "KNOWN_PROGRAMS", "TOOLS"]

TOOLS: Final = (
    "sqlite3", "sqlite", "sqlite3_rsync", "sqldiff", "sqlite3_analyzer", "sqlitebrowser",
    "DB Browser for SQLite", "sqlitestudio", "dbeaver", "litecli", "litestream", "datasette",
    "sqlite-utils", "rsync", "restic", "borg", "rclone", "duplicati", "tar",
)  # fmt: skip
"""Programs that people point at a database which another program owns."""

FOREIGN: Final = (
    "dropbox", "onedrive", "nextcloud", "owncloud", "syncthing", "insync", "megasync", "seafile",
    "seaf-daemon", "pcloud", "clamscan", "clamd", "clamonacc", "freshclam", "firefox",
    "firefox-bin", "firefox-esr", "chrome", "google-chrome", "chromium", "chromium-browser",
    "brave", "msedge", "opera", "vivaldi-bin", "thunderbird", "tracker-miner-fs-3", "baloo_file",
    "baloo_file_extractor",
)  # fmt: skip
"""Programs that synchronise, scan or index files by themselves, and browsers, which lock the
databases of their profiles."""

KNOWN_PROGRAMS: Final = (*TOOLS, *FOREIGN)
