"""The inputs of a training: how to train, and on which images."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dogs_vs_cats import approaches
from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.images.splits import SPLITS, TRAIN, UNUSED, VALIDATION
from dogs_vs_cats.images.splitting import COPIES, GROUPS, random_split
from dogs_vs_cats.parameters.augmentation import AugmentationParameters
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.training import EVEN, CalibrationParameters, TrainingParameters

if TYPE_CHECKING:
    from dogs_vs_cats.images.batches import RowBatches


@dataclass(frozen=True)
class LabelledImages:
    """Images, their labels and splits, and the base with the features that were extracted from them.

    Attributes:
        images: uint8 memory map, (n, height, width, channels), 0..255, a row for each row of the manifest.
        manifest: Columns `path`, `label`, `split` and, to divide them anew, `group` and `sha256`; where labels
            were corrected, also `given_label` and `given_split`. Images of the split `unused` are left out everywhere.
        class_names: Names in the order of the labels.
        ingestion_record: `identity` of the images and their split; `bit_depth` of the 16-bit files among them;
            `fit`, how they became squares.
        backbone: The headless base; None for approaches without one.
        backbone_record: Its `identity`, `name` and `made_with`.
        features: float32 array, (images in use, features), in the manifest's order; None where there are none.
        features_record: Which base and pooling they were extracted with; empty where there are none.
    """

    images: np.ndarray
    manifest: pd.DataFrame
    class_names: list[str]
    ingestion_record: Mapping[str, Any] = field(default_factory=dict)
    backbone: Model | None = None
    backbone_record: Mapping[str, Any] | None = None
    features: np.ndarray | None = None
    features_record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def labels(self) -> np.ndarray:
        """The label of each row of the manifest, int (n,)."""
        return self.manifest["label"].to_numpy()

    @property
    def in_use(self) -> "pd.Series[bool]":
        """For each row of the manifest, whether its image is in a split."""
        return self.manifest["split"] != UNUSED

    def rows(self, split: str) -> np.ndarray:
        """Numbers of the manifest's rows in a split."""
        return np.flatnonzero(self.manifest["split"] == split)

    @property
    def corrections(self) -> dict[str, int]:
        """The number of images in use that were `relabelled`, and of those `left_out`; empty without corrections."""
        if "given_label" not in self.manifest:
            return {}
        left_out = ~self.in_use & (self.manifest["given_split"] != UNUSED)
        relabelled = (self.manifest["given_label"] != self.manifest["label"]) & self.in_use
        return {"relabelled": int(relabelled.sum()), "left_out": int(left_out.sum())}

    def class_weight(self, unless_even: bool = False) -> dict[int, float] | None:
        """Weights of the training images' labels, inversely proportional to how frequent each is.

        Args:
            unless_even: Returns None where no class has more than `EVEN` times the images of another.
        """
        from sklearn.utils.class_weight import compute_class_weight

        labels = self.labels[self.rows("train")]
        present, counts = np.unique(labels, return_counts=True)
        if unless_even and counts.max() <= EVEN * counts.min():
            return None
        weights = compute_class_weight("balanced", classes=present, y=labels)
        return dict(zip(present.tolist(), weights.tolist(), strict=True))

    def base_of_features(self, model: Model) -> Model | None:
        """The base in a model, if it is, weight for weight, the one that the features came from."""
        from dogs_vs_cats.models.frozen_base import find_base, weights_hash

        base, known = find_base(model), self.features_record.get("base_weights")
        return base if base is not None and weights_hash(base.weights) == known else None

    def feature_rows(self, rows: "pd.Series[bool]") -> np.ndarray:
        """Numbers of the features of some rows of the manifest: features are those of the images in use."""
        return np.flatnonzero(rows[self.in_use])

    def feature_batches(self, split: str, batch_size: int, **options: Any) -> "RowBatches":
        """Batches of the features of a split; `options` are those of `RowBatches`."""
        from dogs_vs_cats.images.batches import RowBatches

        rows = self.feature_rows(self.manifest["split"] == split)
        return RowBatches(
            np.asanyarray(self.features), rows, self.labels[self.in_use], batch_size=batch_size, **options
        )

    def as_used_by(self, block: Mapping[str, Any]) -> "LabelledImages":
        """The same images with the splits of one approach: with `train_on_all`, it trains on validation images too."""
        if not block.get("train_on_all"):
            return self
        splits = self.manifest.filter(["split", "given_split"]).replace(VALIDATION, TRAIN)
        return replace(self, manifest=self.manifest.assign(**splits))

    def redrawn(self, seed: int) -> "LabelledImages":
        """The same images in use with another stratified split of the same sizes, groups as a whole.

        Args:
            seed: Another seed draws another split. None of them is that of an ingestion with the same `seed`.

        Raises:
            SplitError: Groups are too large for the sizes, so that training would lack a class.
        """
        used = self.manifest[self.in_use]
        counts = used["split"].value_counts()
        split = self.manifest["split"].to_numpy(dtype=f"<U{len(VALIDATION)}").copy()
        split[self.in_use] = random_split(
            used["label"].to_numpy(np.int64),
            used["sha256"].tolist(),
            used["group"].to_numpy(),
            {name: int(counts[name]) for name in SPLITS if name in counts},
            int(np.random.SeedSequence([seed, 1]).generate_state(1)[0]),
            self.class_names,
            "images in use",
            GROUPS if "group_name" in used else COPIES,
        )
        return replace(self, manifest=self.manifest.assign(split=split))


@dataclass(frozen=True)
class TrainingInputs:
    """Everything that an approach is trained with.

    Attributes:
        data: The images, with the splits as the approach uses them.
        name: Name of the approach.
        block: Its block of parameters.
        compute: How to compute.
        seed: The project's seed, for an approach without `seeds` of its own.
        calibration: Whether a temperature is put into the model.
        augmentation: The transforms; None for an approach that trains on features.
        trial: Number of the trial that trains, if a search does.
    """

    data: LabelledImages
    name: str
    block: dict[str, Any]
    compute: ComputeParameters
    seed: int
    calibration: CalibrationParameters
    augmentation: AugmentationParameters | None = None
    trial: int | None = None

    @cached_property
    def approach(self) -> approaches.Approach:
        """The module that builds the model."""
        return approaches.approach_of(self.name, self.block)

    @cached_property
    def parameters(self) -> TrainingParameters:
        """The typed block."""
        return self.approach.Parameters.model_validate(self.block)

    @property
    def seeds(self) -> list[int]:
        """The seeds to train with."""
        return self.parameters.seeds or [self.seed]

    def with_split_of(self, seed: int) -> "TrainingInputs":
        """The inputs of the training with one of the seeds: with `redraw_split`, all but the first have own splits.

        Raises:
            SplitError: As in `LabelledImages.redrawn`.
        """
        redrawn = self.parameters.redraw_split and seed != self.seeds[0]
        return replace(self, data=self.data.redrawn(seed)) if redrawn else self

    @property
    def class_weight(self) -> dict[int, float] | None:
        """Weights of the classes; None where all images weigh alike."""
        wanted = self.parameters.class_weights
        return self.data.class_weight(unless_even=wanted == "auto") if wanted else None

    def identity(self) -> dict[str, Any]:
        """All that a training depends on, apart from the initial weights and the seed."""
        base = self.data.backbone_record
        return {
            "parameters": self.block,
            "compute": self.compute.model_dump(exclude={"cluster"}),
            "augmentation": self.augmentation.model_dump() if self.augmentation else None,
            "data": self.data.ingestion_record["identity"],
            "backbone": base["identity"] if base else None,
        }
