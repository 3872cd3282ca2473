"""What can be asked of inventory: one method per command or question."""
