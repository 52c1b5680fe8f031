"""What did we promise?"""
