"""Configures BIOS and RAID of the nodes and updates their firmware."""
