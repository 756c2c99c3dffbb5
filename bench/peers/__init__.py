"""What others offer, so that it can be run beside ours."""
