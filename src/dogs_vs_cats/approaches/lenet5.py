"""LeNet-5 as the tf.keras lecture (L2) rebuilds it: 257,546 parameters on 28×28×1 images.

The lecture trains it with Adam in batches of 1,024 for 20 epochs on the first 40,000 images of MNIST, and gets 98.81 %
of the 10,000 test images right. `architecture: lenet5_original` is the network of 1998.
"""

from dogs_vs_cats.approaches.from_scratch import TRAINS_ON, USES_BACKBONE, Parameters, build, with_auxiliaries

__all__ = ["TRAINS_ON", "USES_BACKBONE", "Parameters", "build", "with_auxiliaries"]
