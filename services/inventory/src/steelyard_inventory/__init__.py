"""Steelyard inventory: records, the state machine and the workflow engine."""
