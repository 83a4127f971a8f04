"""What is told, made ready to be read: mails, and the PDFs of error traces."""
