"""What Civitas has to know of message brokers, whoever uses them: what carries, and what keeps state."""
