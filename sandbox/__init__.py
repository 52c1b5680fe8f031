"""What can a provider platform be tested against? A toy Beckn network: registry, gateway, buyer app, power supplier.

It shares no code with the product and signs with another library, so that a shared mistake cannot agree with itself.
"""
