"""Steelyard API gateway: one REST API in front of all services."""
