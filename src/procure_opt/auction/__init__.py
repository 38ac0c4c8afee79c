"""Bidding rules compared with bidders who respond to them, and what past bids say."""
