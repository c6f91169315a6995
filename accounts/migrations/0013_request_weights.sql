-- As accounts/weights.py writes them: "GET /a: 5, POST /b: 2", from 2 to 100.
ALTER TABLE accounts_accountpolicy ADD CONSTRAINT request_weights_known
CHECK (request_weights = '' OR request_weights || ', ' ~ '^([A-Z]+ /[^ ,:]*: ([2-9]|[1-9]\d|100), )+$');
