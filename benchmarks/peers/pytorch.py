"""PyTorch with torchvision: `ImageFolder`, a `DataLoader` with a worker for each core, channels last.

The naive CNN and VGG16 compute in bfloat16 where the processor multiplies faster in it; MobileNetV2, whose convolutions
are depthwise, in float32. Photos are decoded by `torchvision.io` and resized with antialiasing. `RandomAffine` fills
what it uncovers with black, not with the nearest pixels.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import torch
from side import BATCH_SIZE, SIZE, Figures, Task, main, median_seconds
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.io import ImageReadMode, decode_image
from torchvision.models import mobilenet_v2, vgg16
from torchvision.transforms import InterpolationMode, v2

RESIZE = v2.Resize((SIZE, SIZE), antialias=True)
AUGMENTATION = v2.RandomAffine(40, (0.2, 0.2), (0.8, 1.2), 0.2, InterpolationMode.BILINEAR)


def loader(folder: Path, *, augment: bool = False, shuffle: bool = True) -> Any:
    """Batches of photos from a folder, uint8 (n, 3, 150, 150), and their labels."""
    images = ImageFolder(
        folder,
        transform=v2.Compose([RESIZE, AUGMENTATION]) if augment else RESIZE,
        loader=partial(decode_image, mode=ImageReadMode.RGB),
    )
    workers = os.cpu_count() or 1
    return DataLoader(images, BATCH_SIZE, shuffle=shuffle, num_workers=workers, persistent_workers=True)


def naive_cnn() -> nn.Module:
    """The lecture's network, with Keras's initial weights; its output is a logit."""
    blocks = [(3, 16), (16, 64), (64, 128)]
    convolutions = [layer for from_, to in blocks for layer in (nn.Conv2d(from_, to, 3), nn.ReLU(), nn.MaxPool2d(2))]
    model = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(17 * 17 * 128, 512), nn.ReLU(), nn.Linear(512, 1))
    return initialised(model)


def approach_2() -> nn.Module:
    """The head on bottleneck features."""
    hidden = [nn.Linear(1280, 512), nn.ReLU(), nn.Dropout(0.3), nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.3)]
    return initialised(nn.Sequential(*hidden, nn.Linear(512, 1)))


def initialised(model: nn.Module) -> nn.Module:
    """The model with the initial weights that Keras's layers have."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return model


class SamePadding(nn.Module):
    """Pads as Keras's MobileNetV2 does before a convolution with stride 2."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Pads both sides of an odd size, and the far side of an even one."""
        near = maps.shape[-1] % 2
        return functional.pad(maps, (near, 1, near, 1))


def mobilenet(task: Task) -> nn.Module:
    """MobileNetV2 (alpha 0.35) with Keras's weights, then the average over positions."""
    base = mobilenet_v2(width_mult=0.35).features
    with h5py.File(task.weights) as file:
        layers = [file[name] for name in file.attrs["layer_names"]]
        arrays = iter([layer[name][()] for layer in layers for name in layer.attrs["weight_names"]])

    def tensor() -> torch.Tensor:
        return torch.from_numpy(next(arrays))

    for layer in base.modules():
        if isinstance(layer, nn.Conv2d):
            # Keras: (height, width, in, out), depthwise (height, width, channels, 1).
            layer.weight.data = tensor().permute((2, 3, 0, 1) if layer.groups > 1 else (3, 2, 0, 1)).contiguous()
        elif isinstance(layer, nn.BatchNorm2d):
            layer.weight.data, layer.bias.data, layer.running_mean, layer.running_var = (tensor() for _ in range(4))
            layer.eps = 1e-3
    for block in list(base.modules()):
        for name, layer in block.named_children():
            if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2):
                layer.padding = (0, 0)
                setattr(block, name, nn.Sequential(SamePadding(), layer))
    return nn.Sequential(base, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def scaled(images: torch.Tensor) -> torch.Tensor:
    """Photos from 0 to 1, in channels last."""
    return (images / 255).to(memory_format=torch.channels_last)


class Prepared:
    """Batches whose inputs a function prepares, for example a frozen base."""

    def __init__(self, batches: Iterable[Any], prepare: Callable[[torch.Tensor], torch.Tensor]):
        self.batches, self.prepare = batches, prepare

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for images, labels in self.batches:
            with torch.no_grad():
                inputs = self.prepare(images)
            yield inputs, labels


class Shuffled:
    """Batches of features, in another order in each epoch."""

    def __init__(self, features: torch.Tensor, labels: torch.Tensor):
        self.features, self.labels = features, labels

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for rows in torch.randperm(len(self.labels)).split(BATCH_SIZE):
            yield self.features[rows], self.labels[rows]


def fitted(model: Any, optimizer: Any, train: Iterable[Any], validation: Iterable[Any], epochs: int) -> float:
    """Trains a model, and returns its validation accuracy."""
    for _ in range(epochs):
        model.train()
        for inputs, labels in train:
            loss = functional.binary_cross_entropy_with_logits(model(inputs).float()[:, 0], labels.float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            right = torch.cat([(model(inputs)[:, 0] > 0) == labels for inputs, labels in validation])
    return float(right.float().mean())


def fitted_naive_cnn(task: Task, *, augment: bool) -> float:
    """Trains the naive CNN from folders on, and returns its validation accuracy."""
    model = naive_cnn().to(memory_format=torch.channels_last)
    train = Prepared(loader(task.photos / "train", augment=augment), scaled)
    validation = Prepared(loader(task.photos / "validation", shuffle=False), scaled)
    optimizer = torch.optim.NAdam(model.parameters(), 3e-4, eps=1e-7)
    with torch.autocast("cpu", torch.bfloat16, enabled=task.bfloat16):
        return fitted(model, optimizer, train, validation, task.epochs)


def training(task: Task) -> Figures:
    """The naive CNN, with augmentation, from folders on."""
    begin = time.perf_counter()
    accuracy = fitted_naive_cnn(task, augment=True)
    return {"seconds": time.perf_counter() - begin, "accuracies": [accuracy]}


def vgg16_extraction(task: Task) -> Figures:
    """Features of photos in memory."""
    model = vgg16(weights=None).features.eval().to(memory_format=torch.channels_last)
    photos = torch.cat([images for images, _ in loader(task.photos / "train", shuffle=False)])[: task.images]

    def work() -> None:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=task.bfloat16):
            for images in photos.split(32):
                model(scaled(images)).flatten(1).float()

    return {"seconds": median_seconds(task, work)}


def decode_resize(task: Task) -> Figures:
    """Reads photos of original size from folders."""
    batches = loader(task.originals, shuffle=False)
    return {"seconds": median_seconds(task, lambda: [images for images, _ in batches])}


def lecture_run(task: Task) -> Figures:
    """All three approaches, from folders on."""
    accuracies = [fitted_naive_cnn(task, augment=False)]
    base = mobilenet(task).to(memory_format=torch.channels_last)

    def features(images: torch.Tensor) -> torch.Tensor:
        return base(scaled(images) * 2 - 1)

    head = initialised(nn.Sequential(nn.Linear(1280, 1024), nn.ReLU(), nn.Linear(1024, 1)))
    train = Prepared(loader(task.photos / "train", augment=True), features)
    validation = Prepared(loader(task.photos / "validation", shuffle=False), features)
    optimizer = torch.optim.Adam(head.parameters(), 1e-3, eps=1e-7)
    accuracies.append(fitted(head, optimizer, train, validation, task.epochs))

    extracted = []
    for part in ("train", "validation"):
        batches = list(Prepared(loader(task.photos / part, shuffle=False), features))
        extracted.append([torch.cat(tensors) for tensors in zip(*batches, strict=True)])
    head = approach_2()
    optimizer = torch.optim.Adam(head.parameters(), 1e-4, eps=1e-7)
    accuracies.append(fitted(head, optimizer, Shuffled(*extracted[0]), [extracted[1]], 5 * task.epochs))
    return {"accuracies": accuracies}


if __name__ == "__main__":
    torch.manual_seed(0)
    main({row.__name__: row for row in (training, vgg16_extraction, decode_resize, lecture_run)})
