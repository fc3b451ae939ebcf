"""Rows that are mixed in pairs are those of Keras's layers."""

import keras
import numpy as np
import pytest

from dogs_vs_cats.images.mixing import cut_mix, mix_up


@pytest.mark.parametrize(("mix", "layer"), [(mix_up, keras.layers.MixUp), (cut_mix, keras.layers.CutMix)])
def test_rows_are_mixed_as_keras_does(mix, layer):
    rows = np.random.default_rng(1).integers(0, 256, (64, 20, 30, 3), dtype=np.uint8)
    mixed, partners, left = mix(rows, np.random.default_rng(2), 0.4)
    assert mixed.dtype == np.float32
    assert sorted(partners) == list(range(64))
    from_partner = mixed == rows[partners]
    if mix is cut_mix:
        np.testing.assert_allclose((mixed == rows).mean(axis=(1, 2, 3)), left, atol=0.02)  # some pixels are equal
        assert (from_partner | (mixed == rows)).all()
        transform = {"batch_masks": from_partner}
    else:
        transform = {"mix_weight": left}
    theirs = layer(dtype="float32").transform_images(rows, transform | {"permutation_order": partners})
    np.testing.assert_allclose(mixed, theirs, atol=1e-3)
    assert np.std(left) > 0.3, "fractions from Beta(0.4, 0.4) are mostly near 0 and 1"
