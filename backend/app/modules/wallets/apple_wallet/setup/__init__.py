"""The dashboard's page that sets Apple Wallet up: certificate request, upload, test, and what is missing."""
