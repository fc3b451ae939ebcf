"""Keeping passwords out of what is printed, logged and stored."""

import re

_USER = re.compile(r"(://)[^/\s@]*@")
_SIGNED_BY = r"[\w.-]*(?:signature|credential|token|secret|password|key|accessid)[\w.-]*|sig"
_SIGNATURE = re.compile(rf"([?&](?:{_SIGNED_BY})=)[^&#\s,'\"\\]+", re.IGNORECASE)


def without_credentials(text: str) -> str:
    """Removes `user:password@` from every URL in a text, and the values that sign its query, such as `sig=…`."""
    return _SIGNATURE.sub(r"\1***", _USER.sub(r"\1", text))
