"""Alert rules where people meet them: kept, checked, changed by those who may, over the API and the command line."""
