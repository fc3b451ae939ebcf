"""Explanation: Grad-CAM, feature maps, tables of layers."""
