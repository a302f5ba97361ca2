"""What every part stands on: clock, log, metrics, background tasks and their supervision."""
