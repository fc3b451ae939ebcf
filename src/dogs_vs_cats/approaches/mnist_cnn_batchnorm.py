"""The CNN with batch normalisation of L4: 87,290 parameters on 28×28×1 images, of which 128 are not trained."""

from dogs_vs_cats.approaches.from_scratch import TRAINS_ON, USES_BACKBONE, Parameters, build, with_auxiliaries

__all__ = ["TRAINS_ON", "USES_BACKBONE", "Parameters", "build", "with_auxiliaries"]
