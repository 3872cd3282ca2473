"""Inventory's rules: pure functions and tables. No I/O, no clock."""
