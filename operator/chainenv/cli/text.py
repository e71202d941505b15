"""What comes from elsewhere, made fit for a terminal."""

from __future__ import annotations


def harmless(text: str) -> str:
    """In one line, with each character that could steer a terminal written as its escape; a tab stays."""
    return "".join(c if c.isprintable() or c == "\t" else ascii(c)[1:-1] for c in text)
