"""What every request leaves behind: an id, a log line, and metrics that processes share."""
