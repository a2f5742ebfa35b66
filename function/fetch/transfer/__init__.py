"""Transfer of an object's bytes over several connections."""
