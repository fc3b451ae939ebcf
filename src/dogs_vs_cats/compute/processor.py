"""The processor, as the operating system describes it."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path


@cache
def cpuinfo() -> Mapping[str, str]:
    """Linux's description of the first processor, such as `vendor_id` and `flags`; empty on other systems."""
    try:
        first, _, _ = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")
    except OSError:
        return {}
    fields = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in fields}
