"""What a day costs at IAM's own limit of 5,000 users: calls, time and memory of the real handlers."""
