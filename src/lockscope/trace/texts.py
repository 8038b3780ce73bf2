"""Texts as they lie in a text file: one line each, backslash and newline escaped."""

__all__ = ["unescape"]


def unescape(raw: bytes) -> bytes:
    """A text as it was before `writer.escape_text`, or the native recorder, made it one line."""
    if b"\\\\" not in raw:
        return raw.replace(b"\\n", b"\n")
    # Part by part around the escaped backslashes: "\\\\n" is a backslash and an n, not a newline.
    return b"\\".join(part.replace(b"\\n", b"\n") for part in raw.split(b"\\\\"))
