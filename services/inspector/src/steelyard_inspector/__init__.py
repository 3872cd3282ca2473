"""Inspects the nodes: what hardware each one has."""
