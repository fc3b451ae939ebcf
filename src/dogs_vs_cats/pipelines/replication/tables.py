"""The perceptrons on tables, which are no images, so that no pipeline trains them."""

from dogs_vs_cats.evaluation import accuracy_interval
from dogs_vs_cats.pipelines.replication.claims import NOT_RUN, Claim, Command, by_interval


def claims() -> list[Claim]:
    """Trains the one whose table is at hand."""
    topic = "Small networks"
    correct, flowers = _iris()
    low, high = accuracy_interval(correct, flowers)
    return [
        Claim(
            topic,
            "MLP: accuracy on Iris",
            "L3",
            "98.7%",
            f"{correct / flowers:.1%}",
            by_interval(0.987, low, high),
            "Trained while this page is written: Adam 0.01, batches of 10, 40 passes, seed 0. Right are "
            f"{correct} of the {flowers} flowers that it was trained on; 95% interval {low:.1%} to {high:.1%}. "
            f"The lecture's 98.7% are {round(0.987 * flowers)} of them.",
            Command.REPLICATION,
        ),
        Claim(
            topic,
            "MLP: RMSE on Boston housing",
            "L3",
            "3.97",
            "",
            NOT_RUN,
            "keras.datasets.boston_housing has to be downloaded. The test trains the network on a generated table of "
            "the same shape.",
            Command.BOSTON,
        ),
    ]


def _iris() -> tuple[int, int]:
    """Trains the perceptron for 40 passes over the table that scikit-learn brings along; how many are right, of all."""
    import keras
    import numpy as np
    from sklearn.datasets import load_iris

    from dogs_vs_cats.architectures.mlp import iris_mlp

    table = load_iris()
    random = np.random.default_rng(0)
    order = np.concatenate([random.permutation(len(table.data)) for _ in range(40)])
    keras.utils.set_random_seed(0)
    network = iris_mlp()
    network.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    # One epoch over all passes: most of the time of 40 short epochs would be their beginnings and ends.
    network.fit(table.data[order], table.target[order], batch_size=10, shuffle=False, verbose=0)
    answers = keras.ops.convert_to_numpy(network(table.data)).argmax(axis=1)
    return int((answers == table.target).sum()), len(table.target)
