"""The baseline CNN for MNIST of L1: one convolution, 592,074 parameters on 28×28×1 images.

`architecture: mnist_cnn_pytorch` is that of L3's PyTorch slides, with two convolutions and 35,330 parameters.
"""

from dogs_vs_cats.approaches.from_scratch import TRAINS_ON, USES_BACKBONE, Parameters, build, with_auxiliaries

__all__ = ["TRAINS_ON", "USES_BACKBONE", "Parameters", "build", "with_auxiliaries"]
