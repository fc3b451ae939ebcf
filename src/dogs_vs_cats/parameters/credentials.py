"""Keeping passwords out of what is printed, logged and stored."""

import re

# Secrets of object storage may contain a slash. A folder's name may contain @, but no address has a colon before it.
_USER = re.compile(r"((?:s3|gs|az)://)(?!arn:)[^/\s@]*:\S*@|(://)[^/\s@]*@", re.IGNORECASE)
_SIGNED_BY = r"[\w.-]*(?:signature|credential|token|secret|password|key|accessid)[\w.-]*|sig"
_SIGNATURE = re.compile(rf"([?&](?:{_SIGNED_BY})=)[^&#\s,'\"\\]+", re.IGNORECASE)


def without_credentials(text: str) -> str:
    """Removes `user:password@` from every URL in a text, and the values that sign its query, such as `sig=…`."""
    return _SIGNATURE.sub(r"\1***", _USER.sub(r"\1\2", text))
