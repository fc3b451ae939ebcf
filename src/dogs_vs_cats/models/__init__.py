"""Networks: architectures, pretrained bases, and operations on the graph of a model."""
