"""Orders that ECDP (ExpertSender CDP) attributed to messages."""
