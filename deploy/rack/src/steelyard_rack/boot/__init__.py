"""What a machine does once it has power: firmware, boot loader, disk, and what then runs on it."""
