"""Starts the instance on a machine's disk by kexec: what its boot loader would start, found, loaded and started.

Everything but ``ironic`` is plain Python that knows no agent.
"""
