"""A server whose rate limits are a million times wider, and otherwise as it is."""

from protocol.message import ADDRESS_RATES, RATES
from server.cli import main
from server.conformance.messages import scaled

for rates in (RATES, ADDRESS_RATES):
    rates.update(scaled(rates))

if __name__ == "__main__":
    main()
