"""The serving script of a model, run as MLflow runs it."""

import base64
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.pipelines.test_inference import save, small_model

pytestmark = pytest.mark.medium


# MLflow warns of the script's type hints, which allow both kinds of input.
@pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")
def test_a_photo_becomes_a_square_as_the_training_images_did(tmp_path):
    from dogs_vs_cats.tracking.served_model import ServedModel

    picture = np.random.default_rng(0).integers(0, 256, (32, 96, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    settings = {"classes": ["cat", "dog"], "max_pixels": 10**6, "min_side": 4, "bit_depth": None, "fit": "crop"}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    model = save(small_model(), tmp_path / "small.keras", ["cat", "dog"])
    served = ServedModel()
    served.load_context(SimpleNamespace(artifacts={"model": model, "settings": tmp_path / "settings.json"}))
    wide, square = served.predict(None, [base64.b64encode(buffer.getvalue()).decode(), picture[:, 32:64].tolist()])
    assert wide.probabilities == square.probabilities
