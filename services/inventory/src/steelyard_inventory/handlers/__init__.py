"""The entrances of inventory: subject → schema → one call."""
