"""The explanation of trained models: filters, feature maps, pooling, Grad-CAM, and a table of the layers."""
