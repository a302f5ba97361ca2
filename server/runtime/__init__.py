"""What every part stands on: clock, log, gauges, services and their supervision."""
