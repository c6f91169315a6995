"""``lab verify``: the lab held against the real services, digit by digit."""
