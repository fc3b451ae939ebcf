"""The table as a page in Markdown."""

from collections import Counter

import jinja2
import pandas as pd

from dogs_vs_cats.lectures.claims import commands


def render(claims: pd.DataFrame) -> str:
    """Writes the page: the slips with their proofs first, then the rest by topic, then the commands.

    Args:
        claims: A row for each claim, filled in.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("dogs_vs_cats.lectures", "."),
        autoescape=False,  # noqa: S701 - Markdown
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.md.jinja").render(
        claims=claims.to_dict("records"), counts=Counter(claims["verdict"]), commands=commands()
    )
