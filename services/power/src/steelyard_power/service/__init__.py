"""What can be asked of power: steps, direct calls; and what it does by itself: sync, sensors, announcing."""
