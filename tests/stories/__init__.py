"""What the tests of whole runs tell their stories with: a command line, a comparison, sample data."""
