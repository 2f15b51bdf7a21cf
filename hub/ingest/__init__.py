"""HTTP faces through which data comes in."""
