"""Credits that the IHC model gives to the sessions of customer journeys."""
