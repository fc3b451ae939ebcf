"""Layers, parameters and shapes, counted on the project's own networks, and the settings of conf/mnist."""

import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from dogs_vs_cats import layer_arithmetic as arithmetic
from dogs_vs_cats.pipelines.replication.claims import Claim, computed, ours_only, setting, unchecked, written
from dogs_vs_cats.pipelines.replication.outlines import counts, outline, shapes, summed

if TYPE_CHECKING:
    import keras

DIGIT = (28, 28, 1)
IMAGENET_CLASSES = 1_000


def claims(mnist: Mapping[str, Any]) -> list[Claim]:
    """Counts everything that the lectures count on their networks.

    Args:
        mnist: All parameters of the environment `mnist`.
    """
    return [
        *_lenet5(mnist),
        *_lenet5_original(),
        *_mnist_cnns(mnist),
        *_perceptrons(),
        *_alexnet(),
        *_vgg16(),
        *_residual_networks(),
        *_inception(),
        _auxiliary_losses(),
        *_own_model(),
    ]


def _network(name: str, size: tuple[int, int, int] = DIGIT, classes: int = 10) -> "keras.Model":
    from dogs_vs_cats.architectures import build_architecture

    return outline(lambda: build_architecture(name, size, classes))


def _lenet5(mnist: Mapping[str, Any]) -> list[Claim]:
    check, chosen = (partial(compare, "Small networks") for compare in (computed, setting))
    network = _network("lenet5")
    dense = sum(int(network.get_layer(name).count_params()) for name in ("dense_1", "probabilities"))
    settings, images = mnist["lenet5"], mnist["ingestion"]
    return [
        check("LeNet-5 in tf.keras: layers", "L2", "156; 2,416; 2,040; 252,084; 850", counts(network)),
        check("LeNet-5 in tf.keras: parameters", "L2", 257_546, network.count_params()),
        check("LeNet-5 in tf.keras: share of the dense layers", "L2", "98%", f"{dense / network.count_params():.0%}"),
        check("LeNet-5 in tf.keras: flattened", "L2", "3,000", shapes(network, "flatten")),
        chosen(
            "LeNet-5 in tf.keras: optimizer; batch; epochs; pixels",
            "L2",
            "adam; 1,024; 20; /255",
            f"{settings['optimizer']}; {settings['batch_size']:,}; {settings['epochs']}; "
            f"/{1 / network.get_layer('rescale').scale:.0f}",
        ),
        chosen(
            "LeNet-5 in tf.keras: images to train; to validate",
            "L2",
            "the first 40,000; the last 20,000",
            f"the first {images['train_size']:,}; the last {images['validation_size']:,}"
            if images["split"] == "official"
            else f"any {images['train_size']:,}; any {images['validation_size']:,}",
        ),
        check("LeNet-5 in tf.keras: errors among 10,000 at 98.81%", "L2", 119, round(10_000 * (1 - 0.9881))),
        check(
            "MNIST networks: loss",
            "L1, L2",
            "categorical cross-entropy",
            _loss(),
            "Ours takes the number of the class where the lectures' takes a one-hot row: checked to give the same.",
        ),
    ]


def _loss() -> str:
    """What the project's loss is for ten classes, found by comparing numbers."""
    import keras

    from dogs_vs_cats.training import loss_function

    random = np.random.default_rng(0)
    answers, labels = random.dirichlet(np.ones(10), 8).astype(np.float32), np.arange(8)
    theirs = keras.losses.CategoricalCrossentropy()(np.eye(10, dtype=np.float32)[labels], answers)
    ours = loss_function(10)
    return (
        "categorical cross-entropy" if math.isclose(float(ours(labels, answers)), theirs, rel_tol=1e-5) else ours.name
    )


def _lenet5_original() -> list[Claim]:
    import keras

    from dogs_vs_cats.architectures import build_architecture
    from dogs_vs_cats.architectures.lenet import digit_pictures

    check = partial(computed, "Small networks")
    network = build_architecture("lenet5_original", (32, 32, 1), 10)
    stages = ("c1", "s2", "c3", "s4", "c5", "f6")
    activations = {network.get_layer(name).activation.__name__ for name in stages}
    pooled = {name: network.get_layer(name) for name in ("s2", "s4")}
    learned = {layer.count_params() / layer.output.shape[-1] for layer in pooled.values()}
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1))
    inside = keras.Model(network.input, [network.get_layer(name).output for name in ("f6", "distances")])
    f6, distances = (keras.ops.convert_to_numpy(part) for part in inside(images))
    expected = ((f6[:, np.newaxis] - digit_pictures()) ** 2).sum(axis=-1)
    return [
        check(
            "original LeNet-5: sizes of C1, S2, C3, S4, C5",
            "L2, L4",
            "28×28×6; 14×14×6; 10×10×16; 5×5×16; 1×1×120",
            shapes(network, "c1", "s2", "c3", "s4", "c5"),
        ),
        check("original LeNet-5: F6; outputs", "L2, L4", "84; 10", shapes(network, "f6", "distances")),
        check("original LeNet-5: activation up to F6", "L2, L4", "tanh", ", ".join(sorted(activations))),
        check(
            "original LeNet-5: output units",
            "L2, L4",
            "RBF",
            "RBF" if np.allclose(distances, expected, rtol=1e-3) else "something else",
            "Checked on random pictures: each answers the squared distance of F6's 84 values from a fixed picture of "
            "its digit.",
        ),
        check(
            "original LeNet-5: what pooling learns for each map",
            "L2, L4",
            "a scale and a bias",
            "a scale and a bias" if learned == {2} else f"{learned} numbers",
            "; ".join(f"{name.upper()}: {layer.count_params()} parameters" for name, layer in pooled.items()) + ".",
        ),
    ]


def _mnist_cnns(mnist: Mapping[str, Any]) -> list[Claim]:
    check, chosen = (partial(compare, "Small networks") for compare in (computed, setting))
    baseline, batchnorm, pytorch = (_network(f"mnist_cnn{kind}") for kind in ("", "_batchnorm", "_pytorch"))
    trainable = sum(math.prod(weight.shape) for weight in batchnorm.trainable_weights)
    total = batchnorm.count_params()
    return [
        check("baseline CNN for MNIST: layers", "L1", "832; 589,952; 1,290", counts(baseline)),
        check("baseline CNN for MNIST: parameters", "L1", 592_074, baseline.count_params()),
        check(
            "baseline CNN for MNIST: flattened",
            "L1",
            "4,608",
            shapes(baseline, "flatten"),
            "The lecture has channels first, 1×28×28, ours channels last; only the order of these numbers differs.",
        ),
        chosen(
            "baseline CNN for MNIST: dropout; optimizer",
            "L1",
            "0.2; adam",
            f"{_dropout(baseline)}; {mnist['mnist_cnn']['optimizer']}",
        ),
        check("CNN with batch normalisation: layers", "L4", "1,040; 11,552; 73,792; 256; 650", counts(batchnorm)),
        check(
            "CNN with batch normalisation: parameters; trainable; not",
            "L4",
            "87,290; 87,162; 128",
            f"{total:,}; {trainable:,}; {total - trainable:,}",
        ),
        check("CNN with batch normalisation: flattened", "L4", "1,152", shapes(batchnorm, "flatten")),
        check(
            "CNN with batch normalisation: dropout; kernels of the second convolution drawn from",
            "L4",
            "0.25, 0.25, 0.25; he_normal",
            f"{_dropout(batchnorm)}; {_initializer(batchnorm, 'convolution_2')}",
        ),
        check(
            "CNN of the PyTorch slides: sizes",
            "L3",
            "24×24×16; 12×12×16; 8×8×24; 4×4×24; 384; 64",
            shapes(pytorch, "convolution_1", "pooling_1", "convolution_2", "pooling_2", "flatten", "dense_1"),
        ),
        check("CNN of the PyTorch slides: parameters", "L3", 35_330, pytorch.count_params()),
        check("CNN of the PyTorch slides: dropout", "L3", "0.5", _dropout(pytorch)),
    ]


def _dropout(network: "keras.Model") -> str:
    return ", ".join(f"{layer.rate:g}" for layer in network.layers if layer.name.startswith("dropout"))


def _initializer(network: "keras.Model", name: str) -> str:
    import keras

    he_normal = isinstance(network.get_layer(name).kernel_initializer, keras.initializers.HeNormal)
    return "he_normal" if he_normal else "another distribution"


def _perceptrons() -> list[Claim]:
    from dogs_vs_cats.architectures.mlp import boston_mlp, iris_mlp

    check = partial(computed, "Small networks")
    mlp, iris, boston = _network("mlp"), outline(iris_mlp), outline(boston_mlp)
    return [
        check("MLP for MNIST: units", "L3", "784-128-64-10", _units(mlp, math.prod(DIGIT))),
        check("MLP for MNIST: parameters", "L3", 109_386, mlp.count_params()),
        check("MLP for Iris: units", "L3", "4-25-15-3", _units(iris, 4), f"{iris.count_params()} parameters."),
        check(
            "MLP for Boston housing: units",
            "L3",
            "13-8-6-1",
            _units(boston, 13),
            f"{boston.count_params()} parameters.",
        ),
    ]


def _units(network: "keras.Model", inputs: int) -> str:
    dense = [layer.units for layer in network.layers if layer.count_params()]
    fits = math.prod(network.input_shape[1:]) == inputs
    return "-".join(map(str, [inputs if fits else network.input_shape, *dense]))


def _alexnet() -> list[Claim]:
    import keras

    check = partial(computed, "Large networks")
    network = _network("alexnet", (227, 227, 3), IMAGENET_CLASSES)
    padded = _network("alexnet_224", (224, 224, 3), IMAGENET_CLASSES)
    imagenet = outline(lambda: keras.applications.VGG16(weights=None)).input_shape[1]
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    dense = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    convolved = sum(layer.count_params() for layer in convolutions)
    total = network.count_params()
    work = [math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3]) for layer in convolutions]
    share = sum(work) / (sum(work) + sum(math.prod(layer.kernel.shape) for layer in dense))
    paddings = {layer.padding for layer in padded.layers if layer.name in ("convolution_2", "convolution_3")}
    paddings |= {layer.padding for layer in padded.layers if layer.name in ("convolution_4", "convolution_5")}
    poolings = {layer.padding for layer in padded.layers if layer.name.startswith("pooling")}
    pools = sorted({f"pool {_window(layer)}" for layer in network.layers if layer.name.startswith("pooling")})
    stages = ("convolution_1", "pooling_1", "convolution_2", "pooling_2", "convolution_3", "pooling_3")
    return [
        check("AlexNet: inputs of 227×227×3", "L3", 154_587, math.prod(network.input_shape[1:])),
        check(
            "AlexNet: sizes",
            "L3",
            "55×55×96; 27×27×96; 27×27×256; 13×13×256; 13×13×384; 6×6×256; 9,216",
            shapes(network, *stages, "flatten"),
        ),
        check(
            "AlexNet: windows, strides s, paddings p",
            "L3",
            "11×11 s4 p0; 5×5 p2; 3×3; 3×3; 3×3; pool 3×3 s2",
            "; ".join([*map(_window, convolutions), *pools]),
        ),
        check(
            "AlexNet: parameters of the convolutions",
            "L3",
            "34,944; 614,656; 885,120; 1,327,488; 884,992",
            "; ".join(written(layer.count_params()) for layer in convolutions),
        ),
        *(
            check(
                f"AlexNet: parameters of the {order} dense layer",
                "L3",
                printed,
                layer.count_params(),
                f"{_product(layer)} + 1 = {math.prod(layer.kernel.shape) + 1:,}: the slide adds one bias for the "
                f"layer, not one for each of its {layer.units:,} units.",
            )
            for order, printed, layer in zip(
                ("first", "second", "third"), (37_748_737, 16_777_217, 4_096_001), dense, strict=True
            )
        ),
        check("AlexNet: parameters", "L3", 62_378_344, total),
        check("AlexNet: parameters, in words", "L3", "60M", f"{round(total, -7) / 1e6:.0f}M", f"{total / 1e6:.1f}M."),
        check(
            "AlexNet: share of the convolutions in the parameters",
            "L3",
            "about 5%",
            f"{convolved / total:.1%}",
            f"{convolved:,} of {total:,}, which are the slide's own counts.",
        ),
        check(
            "AlexNet: share of the convolutions in the computation",
            "L3",
            "90% to 95%",
            "90% to 95%" if 0.90 <= share <= 0.95 else f"{share:.1%}",
            f"{share:.1%} of the multiplications.",
        ),
        check(
            "AlexNet: ImageNet's size of images",
            "L3",
            "244×244",
            f"{imagenet}×{imagenet}",
            "What Keras's VGG16 takes, whose weights are ImageNet's, and what L4 prints.",
        ),
        check(
            "AlexNet in the other lecture: input; convolutions from the second on; pooling; outputs",
            "L4",
            "224×224; same; valid; 1,000",
            f"{'×'.join(map(str, padded.input_shape[1:3]))}; {', '.join(paddings)}; {', '.join(poolings)}; "
            f"{padded.output_shape[-1]:,}",
            f"Taken as it is, the first convolution gives {arithmetic.output_size(224, 11, 4)}×"
            f"{arithmetic.output_size(224, 11, 4)}; ours adds three rows and columns of zeros; all else is as above.",
        ),
        unchecked(
            "Large networks",
            "AlexNet: error in ILSVRC 2012",
            "L3",
            "16.4%",
            "It takes the images of ImageNet, which aren't here.",
        ),
    ]


def _window(layer: Any) -> str:
    """A kernel or pooling window as the slide has it, whose 3×3 ones go without their padding."""
    size = (layer.kernel_size if hasattr(layer, "kernel_size") else layer.pool_size)[0]
    stride = "" if layer.strides[0] == 1 else f" s{layer.strides[0]}"
    padding = arithmetic.same_padding(size) if layer.padding == "same" else 0
    return f"{size}×{size}{stride}" + (f" p{padding}" if size > 3 else "")


def _product(layer: "keras.layers.Dense") -> str:
    return " · ".join(f"{side:,}" for side in layer.kernel.shape)


def _vgg16() -> list[Claim]:
    check = partial(computed, "Large networks")
    network = _network("vgg16", (224, 224, 3), IMAGENET_CLASSES)
    poolings = [layer.name for layer in network.layers if layer.name.endswith("pooling")]
    first = network.get_layer("dense_1").kernel.shape
    total = network.count_params()
    return [
        check("VGG-16: input; blocks", "L1, L5", "224×224×3; 5", f"{_size(network)}; {len(poolings)}"),
        check("VGG-16: size at the top", "L1, L5", "7×7×512", shapes(network, poolings[-1])),
        check("VGG-16: flattened", "L5", "25,088", shapes(network, "flatten")),
        check(
            "VGG-16: dense layers",
            "L1, L5",
            "4,096; 4,096; 1,000",
            shapes(network, "dense_1", "dense_2", "probabilities"),
        ),
        check("VGG-16: parameters", "L1, L5", "138 million", f"{total / 1e6:.0f} million", f"{total:,}."),
        check(
            "VGG-16: connections from 25,088 to 4,096",
            "L5",
            "over 100 million",
            "over 100 million" if math.prod(first) > 100e6 else written(math.prod(first)),
            f"{math.prod(first):,}.",
        ),
    ]


def _size(network: "keras.Model") -> str:
    return "×".join(map(str, network.input_shape[1:]))


def _residual_networks() -> list[Claim]:
    import keras

    found = []
    for name, layers in (("resnet18", 18), ("resnet34", 34)):
        network = _network(name, (224, 224, 3), IMAGENET_CLASSES)
        main = [
            layer
            for layer in network.layers
            if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense) and "shortcut" not in layer.name
        ]
        blocks = sum(isinstance(layer, keras.layers.Add) for layer in network.layers)
        trained = sum(math.prod(weight.shape) for weight in network.trainable_weights)
        found.append(
            ours_only(
                "Large networks",
                f"ResNet with {layers} layers, from residual blocks",
                "L4",
                f"{len(main)} layers in {blocks} blocks; {trained:,} trained parameters",
                "On 224×224×3 and 1,000 classes. The lecture shows the block: its input is added to what two "
                "convolutions make of it.",
            )
        )
    return found


def _inception() -> list[Claim]:
    import keras

    from dogs_vs_cats.architectures.inception import convolutions_in_sequence, naive_module, reduced_module

    check = partial(computed, "Inception")

    def module(size: tuple[int, int, int], build: Any) -> "keras.Model":
        def on_maps() -> "keras.Model":
            maps = keras.Input(size)
            return keras.Model(maps, build(maps))

        return outline(on_maps)

    def counted(network: "keras.Model") -> dict[str, int]:
        return {layer.name: layer.count_params() for layer in network.layers if layer.count_params()}

    def work(network: "keras.Model") -> int:
        """Multiplications for each pixel."""
        return sum(math.prod(layer.kernel.shape) for layer in network.layers if layer.count_params())

    beside = module((28, 28, 1), lambda maps: naive_module(maps, 32, "m"))
    sequence = module((28, 28, 1), lambda maps: convolutions_in_sequence(maps, 32, "m"))
    naive = module((28, 28, 256), lambda maps: naive_module(maps, 8, "m"))
    small = counted(module((28, 28, 256), lambda maps: reduced_module(maps, (8, 8, 8, 8, 8, 8), "m")))
    reduced = [
        small["m_1x1"],
        small["m_3x3_reduction"] + small["m_3x3"],
        small["m_5x5_reduction"] + small["m_5x5"],
        small["m_pooling_1x1"],
    ]
    return [
        check(
            "32 kernels each on one channel, side by side",
            "L1",
            "64 + 320 + 832 = 1,216",
            summed(list(counted(beside).values())),
        ),
        check("the same in sequence", "L1", "64 + 9,248 + 25,632 = 34,944", summed(list(counted(sequence).values()))),
        check(
            "Inception: what side by side brings",
            "L1",
            "30 times faster",
            f"{sequence.count_params() / beside.count_params():.1f} times fewer parameters",
            f"And {work(sequence) / work(beside):.1f} times fewer multiplications for each pixel. Neither is speed, "
            "and the two don't compute the same.",
        ),
        check(
            "naïve module on 28×28×256, 8 kernels each",
            "L1",
            "2,056 + 18,440 + 51,208 = 71,704",
            summed(list(counted(naive).values())),
        ),
        check("the same with 1×1 reductions", "L1", "2,056 + 2,640 + 3,664 + 2,056 = 10,416", summed(reduced)),
    ]


def _auxiliary_losses() -> Claim:
    """Gives GoogLeNet's loss three answers of which one is unsure, and so finds what each classifier's loss counts."""
    import keras

    from dogs_vs_cats.architectures.inception import googlenet, with_auxiliary_classifiers
    from dogs_vs_cats.auxiliary_losses import AuxiliaryLosses

    def build() -> tuple[AuxiliaryLosses, int, int]:
        training = AuxiliaryLosses(with_auxiliary_classifiers(googlenet((65, 65, 3), 3), 3))
        image = keras.Input((65, 65, 3))
        in_training, outside = (len(keras.tree.flatten(training(image, training=mode))) for mode in (True, False))
        return training, in_training, outside

    training, answers, alone = outline(build)
    training.compile(loss="sparse_categorical_crossentropy")
    sure, unsure = (np.array([answer], np.float32) for answer in ([1, 0, 0], [0.5, 0.25, 0.25]))
    label = np.array([0])

    def loss(answers: Any) -> float:
        return float(keras.ops.convert_to_numpy(training.compute_loss(y=label, y_pred=answers)))

    own = loss(unsure)
    weights = [loss([unsure if position == number else sure for position in range(3)]) / own for number in range(3)]
    names = ("main", "auxiliary 1", "auxiliary 2")
    terms = [name if round(w, 3) == 1 else f"{w:.3g}·{name}" for name, w in zip(names, weights, strict=True)]
    return computed(
        "Inception",
        "GoogLeNet: total loss",
        "L1",
        "main + 0.3·auxiliary 1 + 0.3·auxiliary 2",
        " + ".join(terms),
        f"Found by making one answer unsure at a time. There are {answers} in training, {alone} outside of it.",
    )


def _own_model() -> list[Claim]:
    """Trains a step on an earlier model of one's own, and looks at what has changed."""
    import keras

    from dogs_vs_cats.architectures import build_architecture
    from dogs_vs_cats.backbones import without_last_layers

    keras.utils.set_random_seed(0)
    earlier = build_architecture("lenet5", DIGIT, 10)
    inside = [layer for layer in earlier.layers if layer.count_params()]
    before = {f"earlier_{layer.name}": layer.get_weights() for layer in inside}
    found = []
    # Rescaling, which has no weights, is the first layer here, and the third is a pooling.
    for frozen in (None, 3):
        base = cast(keras.Model, without_last_layers(earlier, 2))
        kept = [layer.name for layer in base.layers[1:]]
        for name in kept[:frozen]:
            base.get_layer(name).trainable = False
        model = keras.Sequential([base, keras.layers.Dense(3, activation="softmax", name="probabilities")])
        random = np.random.default_rng(0)
        images, labels = random.integers(0, 256, (32, *DIGIT), dtype=np.uint8), np.arange(32) % 3
        # Compiling a single step takes longer than the step.
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
        model.train_on_batch(images, labels)
        unchanged = [
            name
            for name in kept
            if all(
                old.tobytes() == new.tobytes()
                for old, new in zip(before.get(name, []), base.get_layer(name).get_weights(), strict=True)
            )
        ]
        stay = len(kept) if unchanged == kept else next(i for i, n in enumerate(kept) if n not in unchanged)
        popped = len(earlier.layers) - 1 - len(kept)
        found.append((popped, len(kept), stay))
    (popped, kept_all, stays), (_, _, first) = found
    topic = "Transfer from one's own model"
    return [
        computed(topic, "last layers popped", "L1, L4", 2, popped, "Of LeNet-5; a new output takes their place."),
        computed(
            topic,
            "frozen, either way",
            "L1, L4",
            "all that are left; the first 3",
            f"{'all that are left' if stays == kept_all else stays}; the first {first}",
            "Found by training a step: these layers are the same to the bit. Scaling and pooling count as layers.",
        ),
    ]
