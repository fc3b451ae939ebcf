"""Dogs vs cats: what the lecture prints beside accuracies, read from the networks and from conf/lecture."""

import math
import warnings
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dogs_vs_cats.pipelines.replication.claims import Claim, computed, setting, unchecked
from dogs_vs_cats.pipelines.replication.outlines import counts, outline, shapes

if TYPE_CHECKING:
    import keras

TOPIC = "Dogs vs cats"
PHOTO = (150, 150, 3)

check = partial(computed, TOPIC)
chosen = partial(setting, TOPIC)


def claims(lecture: Mapping[str, Any]) -> list[Claim]:
    """Counts and reads everything but what was measured.

    Args:
        lecture: All parameters of the environment `lecture`.
    """
    return [
        *_data(lecture),
        *_naive_cnn(lecture),
        *_approach_1(lecture),
        *_approach_2(lecture),
        _input_of_vgg16(),
        *_augmentation(lecture),
    ]


def _data(lecture: Mapping[str, Any]) -> list[Claim]:
    images = lecture["ingestion"]
    size, channels, train, validation = (
        images[name] for name in ("image_size", "channels", "train_size", "validation_size")
    )
    return [
        chosen(
            "photos: size; to train; to validate",
            "L1",
            "150×150×3; 3,000; 1,000",
            f"{size}×{size}×{channels}; {train:,}; {validation:,}",
            f'The lecture calls its 1,000 validation photos "test"; ours tests on {images["test_size"]:,} others.',
        ),
        unchecked(
            TOPIC, "photos: Kaggle's archive", "L1", "800 MB", "Kaggle gives it to those who have an account there."
        ),
    ]


def _naive_cnn(lecture: Mapping[str, Any]) -> list[Claim]:
    from dogs_vs_cats import approaches

    naive = outline(lambda: approaches.load("naive_cnn").build(None, PHOTO, 2))
    settings = lecture["naive_cnn"]
    sizes = [f"{kind}_{number}" for number in (1, 2, 3) for kind in ("convolution", "pooling")]
    return [
        check(
            "naive CNN: sizes",
            "L1",
            "148×148×16; 74×74×16; 72×72×64; 36×36×64; 34×34×128; 17×17×128; 36,992; 512; 1",
            shapes(naive, *sizes, "flatten", "dense_1", "probability"),
        ),
        check("naive CNN: layers", "L1", "448; 9,280; 73,856; 18,940,416; 513", counts(naive)),
        check("naive CNN: parameters", "L1", 19_024_513, naive.count_params()),
        chosen("naive CNN: batch; epochs", "L1", "30; 2", f"{settings['batch_size']}; {settings['epochs']}"),
    ]


def _vgg16() -> "keras.Model":
    import keras

    return keras.applications.VGG16(include_top=False, weights=None, input_shape=PHOTO)


def _approach_1(lecture: Mapping[str, Any]) -> list[Claim]:
    import keras

    from dogs_vs_cats import approaches

    module = approaches.load("transfer_end_to_end")
    parameters = module.Parameters.model_validate(lecture["transfer_end_to_end"])

    def build() -> "tuple[keras.Model, keras.Model, keras.Model]":
        base = _vgg16()
        ours = module.build(parameters, PHOTO, 2, base)
        answer = keras.layers.Dense(1, activation="softmax", name="printed_output")(ours.get_layer("dense_1").output)
        return base, ours, keras.Model(ours.input, answer)

    base, ours, printed = outline(build)
    counted = (keras.layers.GlobalAveragePooling2D, keras.layers.Dense)
    layers = [*base.layers, *(layer for layer in ours.layers if isinstance(layer, counted))]
    frozen = next(number for number, layer in enumerate(layers) if layer.trainable_weights)
    dense = ours.get_layer("dense_1")
    logits = keras.ops.convert_to_tensor(np.linspace(-9, 9, 7, dtype=np.float32)[:, np.newaxis])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You are using a softmax over axis -1")
        answers = np.unique(keras.ops.convert_to_numpy(keras.activations.softmax(logits)))
    return [
        chosen(
            "approach 1: layers behind the pooled base",
            "L1",
            "dense 1,024 relu",
            f"dense {dense.units:,} {dense.activation.__name__}",
        ),
        check(
            "approach 1: parameters, with its printed output Dense(1, softmax)",
            "L1",
            15_242_050,
            printed.count_params(),
            f"The printed count is that of two outputs ({ours.count_params():,}), so this code isn't what was run.",
        ),
        check("approach 1: parameters, with two outputs", "L1", 15_242_050, ours.count_params()),
        check(
            "approach 1: what a softmax over one output answers",
            "L1",
            "a probability",
            ", ".join(f"{answer:g}" for answer in answers) + ", always",
            "exp(x)/exp(x) is 1 whatever x is: such a network answers the same for every picture. Keras warns of it.",
        ),
        check(
            "approach 1: layers, and how many of the first are frozen",
            "L1",
            "22, 20",
            f"{len(layers)}, {frozen}",
            f"The base's own {len(base.layers)} (its input too), the pooling, and two dense ones.",
        ),
    ]


def _approach_2(lecture: Mapping[str, Any]) -> list[Claim]:
    from dogs_vs_cats import approaches
    from dogs_vs_cats.training import loss_function

    module = approaches.load("transfer_bottleneck")
    settings = lecture["transfer_bottleneck"]
    features = math.prod(outline(_vgg16).output_shape[1:])
    head = outline(lambda: module.build(module.Parameters.model_validate(settings), (features,), 2))
    loss = loss_function(2).name.replace("_", " ").replace("crossentropy", "cross-entropy")
    return [
        check("approach 2: features of a 150×150 photo", "L1", 8_192, features),
        chosen(
            "approach 2: head",
            "L1",
            "512 relu; dropout 0.3; 512 relu; dropout 0.3; 1 sigmoid",
            "; ".join(_layer(layer) for layer in head.layers[1:]),
        ),
        check("approach 2: parameters of the head", "L1", 4_457_985, head.count_params()),
        chosen(
            "approach 2: optimizer; learning rate; loss",
            "L1",
            "adam; 0.0001; binary cross-entropy",
            f"{settings['optimizer']}; {settings['learning_rate']:g}; {loss}",
        ),
    ]


def _layer(layer: Any) -> str:
    if hasattr(layer, "rate"):
        return f"dropout {layer.rate:g}"
    return f"{layer.units} {layer.activation.__name__}"


def _input_of_vgg16() -> Claim:
    from keras.applications.vgg16 import preprocess_input

    black, white = (preprocess_input(np.full((1, 1, 1, 3), value, np.float32)) for value in (0, 255))
    red = preprocess_input(np.array([[[[255, 0, 0]]]], np.float32)) - black
    order = "BGR" if red[0, 0, 0, 2] == 255 else "RGB"
    # Differences between two pixels, by which a picture is told from another, are this many times smaller.
    weaker = (white - black).max()
    return check(
        "input of VGG16",
        "L1",
        "pixels / 255, 0 to 1",
        f"{order} minus means, −{-black.min():.0f} to {white.max():.0f}",
        "Ours is what Keras's own preprocessing gives, with which VGG16's weights were trained. Pixels divided by 255 "
        f"are {weaker:.0f} times weaker, so that biases drown them, and red and blue change places. What it costs: "
        "both approaches' accuracies with their base's own preprocessing, against those with pixels / 255.",
    )


def _augmentation(lecture: Mapping[str, Any]) -> list[Claim]:
    from dogs_vs_cats import approaches
    from dogs_vs_cats.batches import RowBatches

    naive = outline(lambda: approaches.load("naive_cnn").build(None, PHOTO, 2))
    settings = lecture["augmentation"]
    names = ("rotation_range", "width_shift_range", "height_shift_range", "shear_range", "zoom_range")
    rows = np.arange(8)
    validation = RowBatches(rows, rows, rows, batch_size=8)
    in_order = (validation[0][0] == rows).all()
    moved, meant = (_largest_shear(PHOTO[0], degrees) for degrees in (0.2, math.degrees(0.2)))
    return [
        chosen(
            "augmentation: rotation; shifts; shear; zoom; horizontal flip",
            "L4",
            "40; 0.2; 0.2; 0.2; 0.2; no",
            "; ".join(f"{settings[name]:g}" for name in names) + f"; {'yes' if settings['horizontal_flip'] else 'no'}",
        ),
        chosen(
            "augmentation: rescale",
            "L4",
            "1/255",
            f"1/{1 / naive.get_layer('rescale').scale:.0f}",
            "The first layer of the networks trained from scratch, so that nobody can forget it before predicting.",
        ),
        chosen(
            "augmentation: seed; order of the validation photos",
            "L4",
            "0; not shuffled",
            f"{lecture['seed']}; {'not shuffled' if in_order else 'shuffled'}",
        ),
        check(
            "augmentation: shear_range",
            "L4",
            "0.2",
            f"0.2 degrees, which move a pixel by {moved:.1f} at most",
            "Measured with Keras's own transform on a 150×150 picture. As radians, which was probably meant, 0.2 are "
            f"{math.degrees(0.2):.1f} degrees, which move a pixel by {meant:.0f}.",
        ),
    ]


def _largest_shear(size: int, degrees: float) -> float:
    """How far Keras itself moves a pixel sideways by a shear, measured on a picture whose values are its columns."""
    from dogs_vs_cats.augmentation.generator import ImageDataGenerator

    columns = np.broadcast_to(np.arange(size, dtype=np.float32)[np.newaxis, :, np.newaxis], (size, size, 1))
    moved = ImageDataGenerator().apply_transform(columns.copy(), {"shear": degrees}) - columns
    # Towards the edges the picture ends, and its last pixels are repeated.
    return float(np.abs(moved[:, size // 4 : -size // 4]).max())
