"""Keeping passwords out of what is printed, logged and stored."""

import re


def without_credentials(text: str) -> str:
    """Removes `user:password@` from every URL in a text."""
    return re.sub(r"(://)[^/\s@]*@", r"\1", text)
