"""Starts and stops the consoles of the nodes."""
