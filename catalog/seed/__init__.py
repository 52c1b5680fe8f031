"""Which fictional city can be sown for a demonstration?"""
