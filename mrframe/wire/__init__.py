"""Messages as bytes. No sockets here."""
