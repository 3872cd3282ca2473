"""What every Steelyard service needs and no service owns."""
