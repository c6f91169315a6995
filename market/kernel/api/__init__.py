"""What every API endpoint shares: errors as answers, exact JSON, fields, lists, the schema."""
