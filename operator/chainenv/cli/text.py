"""Text that comes from elsewhere: files, and what a terminal may be shown of it."""

from __future__ import annotations

from pathlib import Path


def text_of(file: Path) -> str:
    """Raises ValueError with the reason alone: what the file was wanted for is the caller's to name."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    except OSError as error:
        raise ValueError(error.strerror) from error


def harmless(text: str) -> str:
    """In one line, with each character that could steer a terminal written as its escape; a tab stays."""
    return "".join(c if c.isprintable() or c == "\t" else ascii(c)[1:-1] for c in text)
