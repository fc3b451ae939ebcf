"""Models that average what they see in an image and in its mirror image.

Averaged are the inputs of the last dense layer, and with them the logits. So the model still ends in that layer, and a
temperature in it calibrates the average exactly, as it would not calibrate an average of probabilities.
"""

import keras

_FEATURES, _ANSWER = "features_of_view", "answer_of_views"


def average_flips(model: keras.Model) -> keras.Model:
    """Lets a classifier average over an image and its mirror image.

    Args:
        model: Images in, probabilities out; its last layer with weights is a dense one, of the model itself.

    Returns:
        A model with the same weights, which takes twice as long.
    """
    last = [layer for layer in model.layers if layer.weights][-1]
    features = keras.Model(model.inputs[0], last.input, name=_FEATURES)
    return join_views(features, keras.Model(last.input, model.outputs[0], name=_ANSWER), model.name)


def join_views(features: keras.Model, answer: keras.Model, name: str) -> keras.Model:
    """Averages features over an image and its mirror image.

    Args:
        features: An image in, the features to average out; or a list of those and of other outputs.
        answer: Features in, probabilities out.
        name: Name of the new model.

    Returns:
        A model from images to probabilities; or to a list of those and of the other outputs for the image itself.
    """
    image = keras.Input(features.input_shape[1:], name="image")
    mirrored = keras.ops.flip(image, axis=2)
    (seen, *others), (seen_mirrored, *_) = (keras.tree.flatten(features(view)) for view in (image, mirrored))
    average = keras.layers.Average(dtype="float32", name="average_of_views")([seen, seen_mirrored])
    outputs = [answer(average), *others]
    return keras.Model(image, outputs if others else outputs[0], name=name)


def views_of(model: keras.Model) -> tuple[keras.Model, keras.Model] | None:
    """The two parts of a model that averages over flips, features and answer; None for another model."""
    parts = {layer.name: layer for layer in model.layers}
    return (parts[_FEATURES], parts[_ANSWER]) if _FEATURES in parts and _ANSWER in parts else None


def single_view(model: keras.Model) -> keras.Model:
    """A model that looks at the image itself alone; `model` itself where it does so."""
    views = views_of(model)
    if views is None:
        return model
    features, answer = views
    return keras.Model(features.inputs[0], answer(features.outputs[0]), name=model.name)
