"""What do we offer?"""
