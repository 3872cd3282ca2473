"""The same requests to Steelyard and to a real Ironic: same status, same headers, same shapes, or a reason why not."""
