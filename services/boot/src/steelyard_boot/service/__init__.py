"""What boot does: steps by implementation, artifacts, boot configurations, agents; and what it does by itself."""
