"""The table as a page in Markdown."""

from collections import Counter

import pandas as pd

from dogs_vs_cats.lectures.claims import content
from dogs_vs_cats.reporting.html import environment


def render(claims: pd.DataFrame) -> str:
    """Writes the page: the slips with their proofs first, then the rest by topic, then the commands.

    Args:
        claims: A row for each claim, filled in.
    """
    template = environment("dogs_vs_cats.lectures", ".").get_template("page.md.jinja")
    text = template.render(content(), claims=claims.to_dict("records"), counts=Counter(claims["verdict"]))
    return f"{text}\n"
