"""What people run on request: redrive, test event, dry run. Not dataflows."""
