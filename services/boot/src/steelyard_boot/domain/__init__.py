"""The rules of boot: pure, `now` is an argument, nothing here reads, waits or logs."""
