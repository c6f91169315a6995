"""What every API endpoint shares: parsing, errors, pagination."""
