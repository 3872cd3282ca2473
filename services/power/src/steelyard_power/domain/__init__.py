"""The rules of power: pure, `now` is an argument, nothing here reads, waits or logs."""
