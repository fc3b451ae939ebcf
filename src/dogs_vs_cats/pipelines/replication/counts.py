"""Parameters, shapes and memory: counted on the networks themselves, or with the formulas where these are huge."""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from dogs_vs_cats import layer_arithmetic as arithmetic
from dogs_vs_cats.pipelines.replication.claims import Claim, computed, written

if TYPE_CHECKING:
    import keras

MEBIBYTE = 2**20
GIBIBYTE = 2**30
VGG16_FILTERS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
ALEXNET_CONVOLUTIONS = ((11, 3, 96), (5, 96, 256), (3, 256, 384), (3, 384, 384), (3, 384, 256))
"""Kernel, maps in and maps out."""


def claims() -> list[Claim]:
    """Counts everything that the lectures count."""
    return [*_small_networks(), *_dogs_vs_cats(), *_large_networks(), *_inception(), _auxiliary_losses(), *_formulas()]


def _small_networks() -> list[Claim]:
    from dogs_vs_cats.architectures import build_architecture
    from dogs_vs_cats.architectures.mlp import boston_mlp, iris_mlp

    topic = "Small networks"
    digits = (28, 28, 1)
    lenet5 = build_architecture("lenet5", digits, 10)
    batchnorm = build_architecture("mnist_cnn_batchnorm", digits, 10)
    original = build_architecture("lenet5_original", (32, 32, 1), 10)
    in_dense = sum(_parameters(lenet5, name) for name in ("dense_1", "probabilities"))
    pytorch = build_architecture("mnist_cnn_pytorch", digits, 10)
    trainable = sum(math.prod(weight.shape) for weight in batchnorm.trainable_weights)
    return [
        computed(
            topic,
            "baseline CNN for MNIST: layers",
            "L1",
            "832; 589,952; 1,290",
            _counts(build_architecture("mnist_cnn", digits, 10)),
        ),
        computed(
            topic,
            "baseline CNN for MNIST: parameters",
            "L1",
            592_074,
            build_architecture("mnist_cnn", digits, 10).count_params(),
        ),
        computed(topic, "LeNet-5 in tf.keras: layers", "L2", "156; 2,416; 2,040; 252,084; 850", _counts(lenet5)),
        computed(topic, "LeNet-5 in tf.keras: parameters", "L2", 257_546, lenet5.count_params()),
        computed(
            topic,
            "LeNet-5 in tf.keras: share of the dense layers",
            "L2",
            "98%",
            f"{in_dense / lenet5.count_params():.0%}",
        ),
        computed(
            topic,
            "original LeNet-5: sizes of C1, S2, C3, S4, C5",
            "L2, L4",
            "28×28×6; 14×14×6; 10×10×16; 5×5×16; 1×1×120",
            _shapes(original, ("c1", "s2", "c3", "s4", "c5")),
        ),
        computed(
            topic, "CNN with batch normalisation: layers", "L4", "1,040; 11,552; 73,792; 256; 650", _counts(batchnorm)
        ),
        computed(
            topic,
            "CNN with batch normalisation: trainable, not trainable",
            "L4",
            "87,162; 128",
            f"{trainable:,}; {batchnorm.count_params() - trainable:,}",
        ),
        computed(topic, "CNN of the PyTorch slides: parameters", "L3", 35_330, pytorch.count_params()),
        computed(
            topic,
            "CNN of the PyTorch slides: sizes",
            "L3",
            "24×24×16; 12×12×16; 8×8×24; 4×4×24; 384",
            _shapes(pytorch, ("convolution_1", "pooling_1", "convolution_2", "pooling_2", "flatten")),
        ),
        computed(topic, "MLP 784-128-64-10", "L3", 109_386, build_architecture("mlp", digits, 10).count_params()),
        computed(
            topic,
            "MLP 4-25-15-3 (Iris)",
            "L3",
            arithmetic.mlp_parameters((4, 25, 15, 3)),
            iris_mlp().count_params(),
        ),
        computed(
            topic,
            "MLP 13-8-6-1 (Boston housing)",
            "L3",
            arithmetic.mlp_parameters((13, 8, 6, 1)),
            boston_mlp().count_params(),
        ),
    ]


def _dogs_vs_cats() -> list[Claim]:
    from dogs_vs_cats import approaches

    topic = "Dogs vs cats"
    naive = approaches.load("naive_cnn").build(None, (150, 150, 3), 2)
    base = _vgg16_base()
    head = arithmetic.dense_parameters(512, 1024)
    one, two = (base + head + arithmetic.dense_parameters(1024, outputs) for outputs in (1, 2))
    return [
        computed(topic, "naive CNN: layers", "L1", "448; 9,280; 73,856; 18,940,416; 513", _counts(naive)),
        computed(topic, "naive CNN: parameters", "L1", 19_024_513, naive.count_params()),
        computed(
            topic,
            "approach 1: parameters, with its printed output Dense(1, softmax)",
            "L1",
            15_242_050,
            one,
            f"The printed count is that of two outputs ({two:,}), so the slide's code isn't what was run.",
        ),
        computed(topic, "approach 1: parameters, with two outputs", "L1", 15_242_050, two),
        computed(
            topic,
            "approach 1: what a softmax over one output answers",
            "L1",
            "a probability",
            _one_way_softmax(),
            "exp(x)/exp(x) is 1 whatever x is: such a network answers the same for every picture.",
        ),
        computed(
            topic,
            "approach 1: layers, and how many of the first are frozen",
            "L1",
            "22, 20",
            _layers_of_approach_1(),
            "The base's own 19 (its input too), the pooling, and two dense ones.",
        ),
        computed(
            topic, "approach 2: parameters of the head", "L1", 4_457_985, arithmetic.mlp_parameters((8192, 512, 512, 1))
        ),
        computed(topic, "approach 2: features of a 150×150 photo", "L1", 8_192, _vgg16_side(150) ** 2 * 512),
        computed(
            topic,
            "input of VGG16",
            "L1",
            "pixels / 255, 0 to 1",
            _vgg16_range(),
            "VGG16 was trained on what its own preprocessing gives: colours in the order BGR, without their means. "
            "Pixels divided by 255 are some 250 times weaker, so that biases drown them. Even MobileNetV2, which "
            "expects -1 to 1, loses by it: approach 2 gets 0.916 of the validation photos right with 1/255, 0.948 with "
            "its own.",
            "kedro run --env=lecture --params=backbone.preprocessing=rescale",
        ),
        computed(
            topic,
            "augmentation: what shear_range=0.2 does to a 150×150 photo",
            "L4",
            "a visible shear",
            _largest_shear(150),
            "Keras takes degrees; 0.2 radians, which was probably meant, are 11.5 degrees.",
            "kedro run --pipelines=augmentation",
        ),
    ]


def _large_networks() -> list[Claim]:
    topic = "Large networks"
    alexnet = [arithmetic.convolution_parameters(*layer) for layer in ALEXNET_CONVOLUTIONS]
    dense = [arithmetic.dense_parameters(*pair) for pair in pairwise((9216, 4096, 4096, 1000))]
    missing_biases = "The slide adds one bias instead of one for every unit."
    sizes = [arithmetic.output_size(227, 11, 4)]
    for kernel, stride, padding in ((3, 2, 0), (5, 1, 2), (3, 2, 0), (3, 1, 1), (3, 2, 0)):
        sizes.append(arithmetic.output_size(sizes[-1], kernel, stride, padding))
    convolved = sum(
        arithmetic.convolution_multiplications(*layer, side, side)
        for layer, side in zip(ALEXNET_CONVOLUTIONS, (55, 27, 13, 13, 13), strict=True)
    )
    computation = convolved / (convolved + sum(inputs * units for inputs, units in pairwise((9216, 4096, 4096, 1000))))
    vgg16 = _vgg16_base() + arithmetic.mlp_parameters((25_088, 4096, 4096, 1000))
    return [
        computed(topic, "AlexNet: inputs of 227×227×3", "L3", 154_587, 227 * 227 * 3),
        computed(topic, "AlexNet: sizes", "L3", "55; 27; 27; 13; 13; 6", "; ".join(map(str, sizes))),
        computed(
            topic,
            "AlexNet: convolutions",
            "L3",
            "34,944; 614,656; 885,120; 1,327,488; 884,992",
            "; ".join(map(written, alexnet)),
        ),
        computed(topic, "AlexNet: first dense layer", "L3", 37_748_737, dense[0], missing_biases),
        computed(topic, "AlexNet: second dense layer", "L3", 16_777_217, dense[1], missing_biases),
        computed(topic, "AlexNet: third dense layer", "L3", 4_096_001, dense[2], missing_biases),
        computed(topic, "AlexNet: parameters", "L3", 62_378_344, sum(alexnet) + sum(dense)),
        computed(
            topic,
            "AlexNet: share of the convolutions in the parameters",
            "L3",
            "about 5%",
            f"{sum(alexnet) / (sum(alexnet) + sum(dense)):.1%}",
            "By the slide's own counts.",
        ),
        computed(
            topic,
            "AlexNet: share of the convolutions in the computation",
            "L3",
            "90% to 95%",
            "90% to 95%" if 0.90 <= computation <= 0.95 else f"{computation:.1%}",
            f"{computation:.1%} of the multiplications.",
        ),
        computed(
            topic,
            "AlexNet: ImageNet's size of images",
            "L3",
            "244×244",
            "224×224",
            "224 is what the paper and the other lecture (L4) have.",
        ),
        computed(
            topic,
            "AlexNet on 224×224: first output by the formula without floor",
            "L3",
            54.25,
            arithmetic.output_size(224, 11, 4),
            "A kernel takes whole steps: floor((n + 2p − k)/s + 1). 55 needs 227 pixels, or zeros around 224.",
        ),
        computed(topic, "VGG-16: parameters", "L1, L5", "138 million", f"{vgg16 / 1e6:.0f} million", f"{vgg16:,}."),
        computed(
            topic,
            "VGG-16: size at the top of 224×224",
            "L1, L5",
            "7×7×512",
            f"{_vgg16_side(224)}×{_vgg16_side(224)}×512",
        ),
        computed(topic, "VGG-16: flattened", "L5", 25_088, _vgg16_side(224) ** 2 * 512),
        computed(
            topic,
            "VGG-16: connections from there to 4,096",
            "L5",
            "over 100 million",
            "over 100 million" if 25_088 * 4096 > 100e6 else written(25_088 * 4096),
            f"{25_088 * 4096:,}.",
        ),
    ]


def _inception() -> list[Claim]:
    topic = "Inception"
    side = [arithmetic.convolution_parameters(kernel, 1, 32) for kernel in (1, 3, 5)]
    row = [arithmetic.convolution_parameters(kernel, maps, 32) for kernel, maps in ((1, 1), (3, 32), (5, 32))]
    naive = [arithmetic.convolution_parameters(kernel, 256, 8) for kernel in (1, 3, 5)]
    reduced = [
        arithmetic.convolution_parameters(1, 256, 8),
        arithmetic.convolution_parameters(1, 256, 8) + arithmetic.convolution_parameters(3, 8, 8),
        arithmetic.convolution_parameters(1, 256, 8) + arithmetic.convolution_parameters(5, 8, 8),
        arithmetic.convolution_parameters(1, 256, 8),
    ]
    return [
        computed(topic, "32 kernels each, side by side", "L1", "64 + 320 + 832 = 1,216", _sum(side)),
        computed(topic, "the same in sequence", "L1", "64 + 9,248 + 25,632 = 34,944", _sum(row)),
        computed(
            topic,
            "what side by side brings",
            "L1",
            "30 times faster",
            f"{sum(row) / sum(side):.1f} times fewer parameters",
            "Parameters are not speed; and the two don't compute the same.",
        ),
        computed(topic, "naïve module on 256 maps", "L1", "2,056 + 18,440 + 51,208 = 71,704", _sum(naive)),
        computed(topic, "with 1×1 reductions", "L1", "2,056 + 2,640 + 3,664 + 2,056 = 10,416", _sum(reduced)),
    ]


def _auxiliary_losses() -> Claim:
    from dogs_vs_cats.auxiliary_losses import AUXILIARY_WEIGHT

    return computed(
        "Inception",
        "GoogLeNet: total loss, with auxiliaries in training only",
        "L1",
        "main + 0.3·auxiliary 1 + 0.3·auxiliary 2",
        f"main + {AUXILIARY_WEIGHT}·auxiliary 1 + {AUXILIARY_WEIGHT}·auxiliary 2",
        command="pytest tests/test_architectures.py -k googlenet",
    )


def _formulas() -> list[Claim]:
    topic = "Counting"
    maps = arithmetic.map_bytes(512, 512, 100)
    return [
        computed(topic, "output size, n = 5, k = 3, s = 3", "L1", 1, arithmetic.output_size(5, 3, 3)),
        computed(topic, "output size, n = 32, k = 5", "L3", 28, arithmetic.output_size(32, 5)),
        computed(topic, "output size, n = 7, k = 3, s = 3, p = 1", "L3", 3, arithmetic.output_size(7, 3, 3, 1)),
        computed(topic, "100 kernels 5×5 on a colour image", "L2", 7_600, arithmetic.convolution_parameters(5, 3, 100)),
        computed(
            topic,
            "100 dense units on a 512×512 colour image",
            "L2",
            78_643_300,
            arithmetic.dense_parameters(3 * 512 * 512, 100),
        ),
        computed(
            topic,
            "memory of 100 maps of 512×512",
            "L2",
            "300 MB",
            f"{maps / MEBIBYTE:.0f} MB",
            "The slide counts the three channels of the input again; a kernel spans them all and makes one map.",
        ),
        computed(
            topic, "memory of a batch of 100 of these", "L2", "29 GB", f"{100 * maps / GIBIBYTE:.1f} GB", "As above."
        ),
        computed(
            topic,
            "one filter 3×3×3; two",
            "L5",
            "28; 56",
            "; ".join(str(arithmetic.convolution_parameters(3, 3, count)) for count in (1, 2)),
        ),
        computed(topic, "inputs of an MLP on 224×224×3", "L5", 150_528, 224 * 224 * 3),
        computed(
            topic,
            "its parameters with three layers of 128",
            "L5",
            "over 300 billion",
            written(arithmetic.mlp_parameters((150_528, 128, 128, 128))),
            "The slide multiplies the layers' sizes; only neighbouring layers are connected.",
        ),
    ]


def _vgg16_base() -> int:
    return sum(arithmetic.convolution_parameters(3, *maps) for maps in pairwise(VGG16_FILTERS))


def _vgg16_side(size: int) -> int:
    for _ in range(5):
        size = arithmetic.output_size(size, 2, 2)
    return size


def _vgg16_range() -> str:
    import numpy as np
    from keras.applications.vgg16 import preprocess_input

    black, white = (preprocess_input(np.full((1, 1, 1, 3), value, np.float32)) for value in (0, 255))
    return f"BGR minus means, {black.min():.0f} to {white.max():.0f}"


def _layers_of_approach_1() -> str:
    import keras

    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(150, 150, 3))
    # Pooling has no weights; what is trained are the two dense layers behind it.
    frozen = len(base.layers) + 1
    return f"{frozen + 2}, {frozen}"


def _one_way_softmax() -> str:
    import numpy as np
    from scipy.special import softmax

    logits = np.linspace(-9, 9, 7)[:, np.newaxis]
    answers = np.unique(softmax(logits, axis=-1))
    return ", ".join(f"{answer:g}" for answer in answers) + ", always"


def _largest_shear(size: int) -> str:
    """How far Keras itself moves a pixel by the largest shear, measured on a picture whose values are its columns."""
    import numpy as np

    from dogs_vs_cats.augmentation.generator import ImageDataGenerator

    columns = np.broadcast_to(np.arange(size, dtype=np.float32)[np.newaxis, :, np.newaxis], (size, size, 1))
    moved = ImageDataGenerator().apply_transform(columns.copy(), {"shear": 0.2}) - columns
    inner = moved[:, size // 4 : -size // 4]
    return f"moves by {np.abs(inner).max():.1f} pixels at most"


def _parameters(model: "keras.Model", name: str) -> int:
    return int(model.get_layer(name).count_params())


def _counts(model: "keras.Model") -> str:
    return "; ".join(written(layer.count_params()) for layer in model.layers if layer.count_params())


def _shapes(model: "keras.Model", names: tuple[str, ...]) -> str:
    return "; ".join("×".join(map(str, model.get_layer(name).output.shape[1:])) for name in names)


def _sum(parts: list[int]) -> str:
    return " + ".join(map(written, parts)) + f" = {sum(parts):,}"
