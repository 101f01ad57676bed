"""Edge. Carry recorded deliveries to the desks: by RabbitMQ, or straight from the ledger."""
