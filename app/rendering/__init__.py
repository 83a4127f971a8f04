"""What is told, made ready to be read: mails now; cards and PDF later."""
