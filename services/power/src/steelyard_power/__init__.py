"""Steelyard power: power, boot device and sensors of the nodes, through their BMCs."""
