"""What an app may be given beside its own processes: databases and the like."""
