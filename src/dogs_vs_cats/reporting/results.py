"""The results of one approach, as the comparison and its page take them."""

from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Pictures:
    """Everything that the page shows of one approach beside numbers; the fields are named as its datasets.

    Attributes:
        drawings: SVG elements by the names of the figures; see `approach_figures`.
        mistakes: PNG file of its most confident mistakes.
        explanation_record: The explained images and the model; empty where none was explained.
        explanation_layers: See `inspection.summarise_layers`; None where the model wasn't explained, as the PNG files
            below.
        explanation_filters: The filters of the first layer.
        explanation_feature_maps: The feature maps of one image.
        explanation_pooling: One map before and after pooling.
        explanation_grad_cam: The regions behind its answers.
    """

    drawings: dict[str, str]
    mistakes: bytes
    explanation_record: dict[str, Any]
    explanation_layers: pd.DataFrame | None
    explanation_filters: bytes | None
    explanation_feature_maps: bytes | None
    explanation_pooling: bytes | None
    explanation_grad_cam: bytes | None


@dataclass(frozen=True)
class OnRequest:
    """Results of pipelines that a user asks for beside the main flow; the fields are named as the datasets.

    They may be about earlier models or images, and say which.

    Attributes:
        data_quality_summary: Of the pipeline `data_quality`; empty until it has run.
        export_table: Of the pipeline `export`; None until it has run.
        inference_summary: Of the pipeline `inference`; empty until it has run.
    """

    data_quality_summary: dict[str, Any]
    export_table: pd.DataFrame | None
    inference_summary: dict[str, Any]


@dataclass(frozen=True)
class ApproachResult:
    """The results of one approach; the fields are named as its datasets.

    Attributes:
        model_info: Facts about its model.
        model_md5: MD5 of the model's file; empty without one.
        settings: The training parameters, beside those of the present configuration; see `settings.compare`.
        metrics: See `metrics.classification_metrics`; also `backbone`, `parameters`, `trainable_parameters`, `epochs`
            and, for several seeds, `seeds`.
        history: Accuracy and loss by seed and epoch.
        predictions: Its predictions table.
        timings: `train_seconds`, `seconds_per_epoch`, `predict_seconds`; empty where it was trained elsewhere.
        pictures: Its figures.
    """

    model_info: dict[str, Any]
    model_md5: str
    settings: pd.DataFrame
    metrics: dict[str, Any]
    history: pd.DataFrame
    predictions: pd.DataFrame
    timings: dict[str, float]
    pictures: Pictures

    @property
    def name(self) -> str:
        """The name of the approach."""
        return str(self.model_info["approach"])

    @property
    def trained_with(self) -> dict[str, Any]:
        """Its training parameters; with a base also `preprocessing`, the way in which that prepares images."""
        preprocessing = self.model_info.get("preprocessing")
        return {
            **self.model_info["made_with"]["parameters"],
            **({"preprocessing": preprocessing} if preprocessing else {}),
        }

    @property
    def is_explained(self) -> bool:
        """Whether the explanation is of this model, and not of an earlier one."""
        return bool(self.pictures.explanation_record.get("made_with") == self.model_info["made_with"])
