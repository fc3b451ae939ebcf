"""The groups that the images of a source belong to: photos of one patient, animal, scene or burst."""

import logging
import re
from collections import Counter

from dogs_vs_cats.errors import SourceError, listed, quantity
from dogs_vs_cats.images.sources.base import Source

logger = logging.getLogger(__name__)


def groups_of(source: Source, group: str | None) -> dict[str, str]:
    """Finds the group of each image of a source, in a column of its table or in its path.

    Args:
        source: The source; its `groups` are those of the column, if the table has one of that name.
        group: `ingestion.group`; None groups nothing.

    Returns:
        The group of each image that has one, by its path.

    Raises:
        SourceError: `group` is neither a column nor a pattern with one group, or it matches no path.
    """
    if group is None:
        return {}
    paths = [entry.path for entry in source.entries()]
    if is_column := group in source.columns:
        found = {path: name for path in paths if (name := source.groups.get(path, ""))}
    else:
        pattern = _pattern(group, source.columns)
        matches = ((path, pattern.search(path)) for path in paths)
        found = {path: match[1] for path, match in matches if match and match[1]}
    if not found:
        lack = "the column is empty" if is_column else f"it matches no path, such as {listed(paths, 2)}"
        raise SourceError(f"ingestion.group is {group}, but {lack}. Correct it, or set it to null.")
    _report(group, paths, found)
    return found


def _pattern(group: str, columns: list[str]) -> re.Pattern[str]:
    """Compiles a pattern over paths.

    Raises:
        SourceError: It isn't a regular expression, or hasn't one group.
    """
    try:
        pattern = re.compile(group)
        problem = "" if pattern.groups == 1 else f"a pattern with {pattern.groups} groups in parentheses"
    except re.error as error:
        problem = f"no regular expression ({error})"
    if problem:
        column = f"no column of the table ({listed(columns, 8)}), and " if columns else ""
        raise SourceError(
            f"ingestion.group is {group}: {column}{problem}. Set it to {'a column, or to ' if columns else ''}a "
            r"pattern over the path with one group in parentheses, as in (patient\d+)."
        )
    return pattern


def _report(group: str, paths: list[str], found: dict[str, str]) -> None:
    """Logs the groups, and warns where they are hardly meant so."""
    (largest, images), *others = Counter(found.values()).most_common()
    logger.info(
        "ingestion.group is %s: %d groups of %d images; the largest is %s (%d images).",
        *(group, len(others) + 1, len(found), largest, images),
    )
    if images == 1:
        logger.warning("ingestion.group is %s: every image is a group of its own.", group)
    if alone := [path for path in paths if path not in found]:
        subject = quantity(len(alone), "image has", "images have")
        logger.warning("%s no group, so each is a group of its own: %s.", subject, listed(alone, 3))
