"""daemontools and ucspi-tcp in Python."""
