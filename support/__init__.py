"""What do we hear afterwards?"""
