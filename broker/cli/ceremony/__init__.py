"""Edge. A root's holders agree, each at a machine of his own: only files go between them."""
