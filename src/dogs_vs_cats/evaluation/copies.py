"""Copies of one photo that contradict each other, or lie in different splits."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dogs_vs_cats.images.correction_files import RELABEL
from dogs_vs_cats.images.splits import SPLITS


def compare(photos: pd.DataFrame, probability: NDArray[np.float64]) -> pd.DataFrame:
    """Compares the copies of each photo.

    Args:
        photos: Columns `label`, `split` and `copies`, the same for copies of one photo; with corrections `correction`.
        probability: Out-of-fold probabilities, shape (n, classes).

    Returns:
        The photos whose copies have another label or split, by group, the clearest contradiction first: `copies`,
        `label`, `split`; `contradicts` and `crosses`; `likely`, the likeliest of the group's labels; `kept`, whether
        the photo lies in the group's last split, in the order training, validation, test.
    """
    among = photos["copies"].duplicated(keep=False).to_numpy()
    found = photos.loc[among, ["copies", "label", "split"]]
    by_group = found.groupby("copies")
    found["contradicts"] = by_group["label"].transform("nunique") > 1
    found["crosses"] = by_group["split"].transform("nunique") > 1
    order = found["split"].map({split: number for number, split in enumerate(SPLITS)})
    found["kept"] = order == order.groupby(found["copies"]).transform("max")
    mean = pd.DataFrame(probability[among], index=found.index).groupby(found["copies"]).transform("mean")
    # A label that a user has set or confirmed counts for all copies.
    decided = found["label"].where(photos.get("correction", pd.Series("", photos.index)) == RELABEL)
    counted = decided.where(decided.groupby(found["copies"]).transform("count") > 0, found["label"])
    occurring = pd.get_dummies(counted).groupby(found["copies"]).transform("any")
    mean = mean.where(occurring.reindex(columns=mean.columns, fill_value=False), -1.0)
    found["likely"], found["sure"] = mean.idxmax(axis=1).astype(np.int64), mean.max(axis=1)
    found = found[found["contradicts"] | found["crosses"]]
    ranked = found.sort_values(["contradicts", "sure", "copies"], ascending=[False, False, True])
    return ranked.drop(columns="sure")
