"""Where do we meet the network?"""
