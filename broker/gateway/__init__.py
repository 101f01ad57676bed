"""Edge. HTTPS in: tokens, messages, queues, directory, health, problem documents."""
