"""The policy lab: what would another leverage policy have done on these prices?"""
