"""What every part stands on: clock, log, gauges, background tasks and their supervision."""
